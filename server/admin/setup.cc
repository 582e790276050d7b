#include "server/admin/setup.h"

#include <memory>
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

  std::vector<std::string> statements = {
      // Two at once would both find nothing, and one of them fail.
      "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('sluice setup', 0))",
      "SELECT pg_catalog.to_regclass('sluice.requests') IS NULL"};
  for (std::string& statement : query::Ledger::Definition(role)) statements.push_back(std::move(statement));
  postgres::Flight flight;
  flight.statements.assign(statements.begin(), statements.end());
  flight.time = TimeBudget::Of(absl::Now(), absl::Minutes(1));
  const postgres::FlightReport report = connection->Fly(flight);
  if (!report.failure.has_value()) return report.results[1].Text(0, 0) == "t";
  const postgres::ServerError& error = report.failure->error;
  const char* advice =
      error.sqlstate == "42501"
          ? "\nLog in as somebody who may create a schema here, and name the gateway's role with --role; "
            "or give them what --print prints."
          : "";
  return absl::FailedPreconditionError(absl::StrCat(error.message, advice));
}

}  // namespace sluice::admin
