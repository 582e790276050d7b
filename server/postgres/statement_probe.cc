#include "server/postgres/statement_probe.h"

#include <libpq-fe.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sluice::postgres {
namespace {

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, Clear>;

std::string SqlState(const ResultPtr& result) {
  const char* sqlstate = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  return sqlstate == nullptr ? "" : sqlstate;
}

bool Succeeded(const ResultPtr& result) {
  const ExecStatusType status = PQresultStatus(result.get());
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

}  // namespace

StatementProbe ProbePreparedStatements(const ConnectionParameters& parameters) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  Session::Failure failure;
  const std::unique_ptr<Session> owner = Session::Open(parameters, deadline, nullptr, &failure);
  const std::unique_ptr<Session> other = Session::Open(parameters, deadline, nullptr, &failure);
  if (owner == nullptr || other == nullptr) return StatementProbe::kUnclear;
  PQsetnonblocking(owner->handle(), 0);
  PQsetnonblocking(other->handle(), 0);

  const std::string name = absl::StrCat("sluice_doctor_", getpid(), "_", absl::ToUnixMicros(absl::Now()));
  if (!Succeeded(ResultPtr(PQprepare(owner->handle(), name.c_str(), "SELECT 1", 0, nullptr)))) {
    return StatementProbe::kUnclear;
  }
  // The backend that has the statement is the next one to be handed out.
  const bool taken = Succeeded(ResultPtr(PQexec(other->handle(), "BEGIN; SELECT 1")));
  StatementProbe found = StatementProbe::kUnclear;
  if (taken) {
    const ResultPtr run(PQexecPrepared(owner->handle(), name.c_str(), 0, nullptr, nullptr, nullptr, 0));
    if (Succeeded(run)) found = StatementProbe::kSafe;
    if (SqlState(run) == "26000") found = StatementProbe::kLost;
    // Removed by whoever has that backend now.
    const std::string deallocate = absl::StrCat("ROLLBACK; DEALLOCATE ", name);
    ResultPtr(PQexec(other->handle(), deallocate.c_str()));
  }
  return found;
}

}  // namespace sluice::postgres
