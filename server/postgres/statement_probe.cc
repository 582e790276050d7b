#include "server/postgres/statement_probe.h"

#include <libpq-fe.h>
#include <poll.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sluice::postgres {
namespace {

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, Clear>;

std::string SqlState(const ResultPtr& result) {
  if (result == nullptr) return "";
  const char* sqlstate = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  return sqlstate == nullptr ? "" : sqlstate;
}

bool Succeeded(const ResultPtr& result) {
  const ExecStatusType status = PQresultStatus(result.get());
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

std::string Value(const ResultPtr& result) { return Succeeded(result) ? PQgetvalue(result.get(), 0, 0) : ""; }

// The last result of what was sent; null if it was not sent, or did not come in time.
ResultPtr Await(PGconn* connection, int sent, absl::Time deadline) {
  ResultPtr last;
  while (sent == 1) {
    while (PQisBusy(connection) != 0 || PQflush(connection) > 0) {
      const int left_ms = static_cast<int>(absl::ToInt64Milliseconds(deadline - absl::Now()));
      pollfd socket = {PQsocket(connection), POLLIN, 0};
      if (left_ms <= 0 || poll(&socket, 1, left_ms) <= 0 || PQconsumeInput(connection) == 0) return nullptr;
    }
    ResultPtr next(PQgetResult(connection));
    if (next == nullptr) break;
    last = std::move(next);
  }
  return last;
}

ResultPtr RunPrepared(PGconn* connection, const std::string& name, absl::Time deadline) {
  return Await(connection, PQsendQueryPrepared(connection, name.c_str(), 0, nullptr, nullptr, nullptr, 0), deadline);
}

}  // namespace

StatementProbe ProbePreparedStatements(const ConnectionParameters& parameters) {
  const absl::Time deadline = absl::Now() + absl::Seconds(5);
  Session::Failure failure;
  const std::unique_ptr<Session> owner = Session::Open(parameters, deadline, nullptr, &failure);
  const std::unique_ptr<Session> other = Session::Open(parameters, deadline, nullptr, &failure);
  if (owner == nullptr || other == nullptr) return StatementProbe::kUnclear;

  const std::string name = absl::StrCat("sluice_doctor_", getpid(), "_", absl::ToUnixMicros(absl::Now()));
  PGconn* const owners = owner->handle();
  PGconn* const others = other->handle();
  const auto prepare = PQsendPrepare(owners, name.c_str(), "SELECT pg_backend_pid()", 0, nullptr);
  if (!Succeeded(Await(owners, prepare, deadline))) return StatementProbe::kUnclear;
  const std::string before = Value(RunPrepared(owners, name, deadline));
  // The backend that has the statement is the next one to be handed out. (In a pool of one
  // there is no other one then, and the owner waits in vain.)
  if (!Succeeded(Await(others, PQsendQuery(others, "BEGIN"), deadline)) ||
      !Succeeded(Await(others, PQsendQuery(others, "SELECT 1"), deadline))) {
    return StatementProbe::kUnclear;
  }
  StatementProbe found = StatementProbe::kUnclear;
  const ResultPtr run = RunPrepared(owners, name, deadline);
  // On the same backend it proves nothing.
  if (Succeeded(run) && Value(run) != before) found = StatementProbe::kSafe;
  if (SqlState(run) == "26000") found = StatementProbe::kLost;
  // Removed by whoever has that backend now.
  const std::string deallocate = absl::StrCat("ROLLBACK; DEALLOCATE ", name);
  Await(others, PQsendQuery(others, deallocate.c_str()), deadline);
  return found;
}

}  // namespace sluice::postgres
