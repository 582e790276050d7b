#include "server/admin/setup.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "server/admin/advice.h"
#include "server/base/error.h"
#include "server/postgres/connection.h"
#include "server/query/ledger.h"

namespace sluice::admin {

std::string SetupScript(absl::string_view role) {
  return absl::StrCat("BEGIN;\n", absl::StrJoin(query::Ledger::Definition(role), ";\n"), ";\nCOMMIT;\n");
}

absl::StatusOr<bool> SetUp(const config::DatabaseUrl& url, absl::string_view role) {
  postgres::ForgetLibpqVariables();
  postgres::Connection::Options options;
  options.parameters = postgres::PoolerSafeParameters(url.parameters, "sluice-setup");
  postgres::JitPolicy jit(postgres::JitStrategy::kNone);
  postgres::Canceller canceller;
  postgres::Connection::OpenFailure unopened;
  const std::unique_ptr<postgres::Connection> connection =
      postgres::Connection::Open(options, &jit, &canceller, &unopened);
  if (connection == nullptr) {
    return absl::UnavailableError(absl::StrCat(Shortened(unopened.error.message, 500), "\n", AdviceFor(unopened)));
  }

  const auto fly = [&connection](const std::vector<std::string>& statements) {
    postgres::Flight flight;
    flight.statements.assign(statements.begin(), statements.end());
    flight.time = TimeBudget::Of(absl::Now(), absl::Minutes(1));
    return connection->Fly(flight);
  };
  // Somebody else's would run with the rights of whoever writes into it.
  postgres::FlightReport report = fly({query::Ledger::Examination()});
  std::string found = report.failure.has_value() ? "" : std::string(report.results[0].Text(0, 0));
  const bool is_there = !report.failure.has_value() && found.empty();
  if (is_there && role.empty()) {
    report = fly({query::Ledger::MayBeUsed()});
    if (!report.failure.has_value() && report.results[0].Text(0, 0) == "t") return false;
    return absl::FailedPreconditionError(
        "sluice.requests is there, but this role may not use it\nLog in as its owner, and name this role with --role.");
  }
  if (!report.failure.has_value() && !is_there && found != "none") {
    return absl::FailedPreconditionError(
        absl::StrCat("there is a sluice.requests already, but ", found,
                     "\nLook at who made it, and drop it (DROP TABLE sluice.requests)."));
  }
  if (!report.failure.has_value()) {
    // Two at once would both find nothing, and one of them fail.
    std::vector<std::string> statements = {
        "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('sluice setup', 0))"};
    for (std::string& statement : query::Ledger::Definition(role)) statements.push_back(std::move(statement));
    report = fly(statements);
    if (!report.failure.has_value()) return !is_there;
  }
  const postgres::ServerError& error = report.failure->error;
  const char* advice =
      error.sqlstate == "42501"
          ? "\nLog in as somebody who may create a schema here, and name the gateway's role with --role; "
            "or give them what --print prints."
          : "";
  return absl::FailedPreconditionError(absl::StrCat(error.message, advice));
}

}  // namespace sluice::admin
