#include "server/admin/pooler.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sluice::admin {

using postgres::Connection;

namespace {

postgres::FlightReport Fly(Connection* connection, absl::string_view sql) {
  postgres::Flight flight;
  flight.statements = {sql};
  flight.alone = true;
  flight.time = TimeBudget::Of(absl::Now(), absl::Seconds(10));
  return connection->Fly(flight);
}

constexpr char kBackend[] = "SELECT pg_backend_pid()";

// Whether backends are handed out for less than a session: two sessions at once have the same
// one, or one session has another one than before (the pooler is busy, or lets its backends take
// turns: so one is asked twice in a row). Nullopt if they do not answer.
std::optional<bool> ShareBackends(Connection* one, Connection* other) {
  constexpr int kRounds = 5;
  const std::optional<std::string> first = AskOne(one, kBackend);
  for (int round = 0; round < kRounds; ++round) {
    const std::optional<std::string> others = AskOne(other, kBackend);
    const std::optional<std::string> ours = AskOne(one, kBackend), once_more = AskOne(one, kBackend);
    if (!ours.has_value() || !others.has_value() || !once_more.has_value()) return std::nullopt;
    if (ours == others || ours != first || once_more != first) return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> AskOne(Connection* connection, absl::string_view sql) {
  const postgres::FlightReport report = Fly(connection, sql);
  if (report.failure.has_value() || report.results.empty() || report.results[0].row_count() != 1) return std::nullopt;
  return std::string(report.results[0].Text(0, 0));
}

std::string NameOfPooler(Connection* connection, const OpenSession& with_startup_option) {
  const std::string application = AskOne(connection, "SELECT current_setting('application_name')").value_or("");
  if (absl::StartsWith(application, "Supavisor")) return "Supavisor";
  if (AskOne(connection, "SHOW pgdog.shards").has_value()) return "PgDog";
  Connection::OpenFailure failure;
  if (const std::unique_ptr<Connection> session = with_startup_option(&failure)) {
    const std::optional<std::string> setting =
        AskOne(session.get(), absl::StrCat("SELECT current_setting('", kProbeSetting, "', true)"));
    return setting == "taken" ? "a pooler that takes startup options" : "a pooler that ignores startup options";
  }
  if (absl::StrContains(failure.error.message, "unsupported startup parameter")) return "PgBouncer";
  if (absl::StartsWith(failure.error.message, "odyssey:")) return "Odyssey";
  return "a pooler";
}

PoolingMode FindPoolingMode(Connection* connection, const OpenSession& open) {
  Connection::OpenFailure failure;
  const std::unique_ptr<Connection> second = open(&failure);
  if (second == nullptr) return PoolingMode::kUnknown;
  const std::optional<bool> share = ShareBackends(connection, second.get());
  if (!share.has_value()) return PoolingMode::kUnknown;
  if (!*share) return PoolingMode::kSession;
  // Statement mode ends a session that is left in a transaction; in transaction mode it ends
  // with this function.
  const postgres::FlightReport begun = Fly(second.get(), "BEGIN");
  const bool refused =
      begun.failure.has_value() && absl::StrContains(begun.failure->error.message, "statement pooling");
  return refused ? PoolingMode::kStatement : PoolingMode::kTransaction;
}

absl::string_view PoolingModeName(PoolingMode mode) {
  switch (mode) {
    case PoolingMode::kSession: return "session";
    case PoolingMode::kTransaction: return "transaction";
    case PoolingMode::kStatement: return "statement";
    case PoolingMode::kUnknown: break;
  }
  return "unknown";
}

}  // namespace sluice::admin
