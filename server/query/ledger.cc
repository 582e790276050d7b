#include "server/query/ledger.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/base/time_budget.h"
#include "server/codec/literal.h"
#include "server/postgres/connection.h"
#include "server/query/own_waiter.h"
#include "server/sql/name.h"

namespace sluice::query {
namespace {

// Of text that was looked at before.
std::string Quoted(const std::string& text) {
  v1::Value value;
  value.set_text_value(text);
  return codec::RenderLiteral(value, 1)->text;
}

// Hexadecimal digits need no care.
std::string Bytes(absl::string_view hex) { return absl::StrCat("pg_catalog.decode('", hex, "', 'hex')"); }

std::string Key(const RequestId& id) {
  return absl::StrCat("caller = ", Quoted(id.caller), " AND id = ", Quoted(id.id));
}

std::string IsOlderThan(absl::Duration retention) {
  return absl::StrCat("done_at < pg_catalog.clock_timestamp() - ", absl::ToInt64Milliseconds(retention),
                      " * interval '1 millisecond'");
}

// Takes old entries out, so many at a time that nobody waits long for the connection. What another one (a gateway
// beside this one) is about to take out is left to it.
class Sweep : public OwnWaiter {
 public:
  Sweep(absl::Duration retention, admission::Line* line)
      : OwnWaiter(absl::Now() + kTime), retention_(retention), line_(*line) {}

  bool Serve(postgres::Connection& connection) override {
    const std::string statement =
        absl::StrCat("DELETE FROM sluice.requests WHERE ctid = ANY (ARRAY(SELECT ctid FROM sluice.requests WHERE ",
                     IsOlderThan(retention_), " ORDER BY done_at LIMIT ", kEntries, " FOR UPDATE SKIP LOCKED))");
    postgres::Flight flight;
    flight.statements = {statement};
    flight.isolation = postgres::Isolation::kReadCommitted;
    flight.time = TimeBudget::Of(absl::Now(), kTime);
    connection.ClearInterrupt();
    const postgres::FlightReport report = connection.Fly(flight);
    const bool may_be_more = !report.failure.has_value() && report.results[0].affected_count() == kEntries;
    // Refused where the gateway is too busy: another one comes soon.
    if (may_be_more) (void)line_.Join(std::make_shared<Sweep>(retention_, &line_));
    return true;
  }
  void Refuse(const absl::Status&) override {}

 private:
  static constexpr int kEntries = 1000;
  static constexpr absl::Duration kTime = absl::Seconds(5);

  const absl::Duration retention_;
  admission::Line& line_;
};

}  // namespace

std::string Ledger::Claim(const RequestId& id) {
  return absl::StrCat("INSERT INTO sluice.requests (caller, id, fingerprint) VALUES (", Quoted(id.caller), ", ",
                      Quoted(id.id), ", ", Bytes(id.fingerprint), ") RETURNING ctid");
}

// By its place: a search by the key would, in SERIALIZABLE, put its writer into conflict with those who take other ids.
// Its time moves only where the work took long, so that the index need not be written again (HOT).
std::string Ledger::Keep(const RequestId& id, absl::string_view place, absl::string_view answer) {
  const bool fits = answer.size() <= kAnswerBytesMax;
  return absl::StrCat("WITH kept AS (UPDATE sluice.requests SET answer = ",
                      fits ? Bytes(absl::BytesToHexString(answer)) : "NULL", ", answer_bytes = ", answer.size(),
                      ", done_at = CASE WHEN done_at < pg_catalog.clock_timestamp() - interval '1 second' "
                      "THEN pg_catalog.clock_timestamp() ELSE done_at END WHERE ctid = '",
                      place, "' AND ", Key(id), " RETURNING 1) SELECT 1 / (SELECT pg_catalog.count(*) FROM kept)");
}

std::string Ledger::Forget(const RequestId& id) const {
  return absl::StrCat("DELETE FROM sluice.requests WHERE ", Key(id), " AND ", IsOlderThan(retention_));
}

std::string Ledger::Find(const RequestId& id) const {
  return absl::StrCat("SELECT ", IsOlderThan(retention_), ", fingerprint = ", Bytes(id.fingerprint),
                      ", pg_catalog.encode(answer, 'hex'), answer_bytes FROM sluice.requests WHERE ", Key(id));
}

Ledger::Entry Ledger::Read(const postgres::Result& found) {
  Entry entry;
  entry.is_old = found.Text(0, 0) == "t";
  entry.is_same = found.Text(0, 1) == "t";
  if (const auto answer = found.Value(0, 2)) {
    entry.has_answer = true;
    entry.answer = absl::HexStringToBytes(*answer);
  }
  (void)absl::SimpleAtoi(found.Text(0, 3), &entry.answer_bytes);
  return entry;
}

// Whom it may belong to: this login, the owner of the database, or a superuser.
std::string Ledger::Examination() {
  return R"(SELECT CASE WHEN t.oid IS NULL THEN 'none'
  WHEN t.relkind <> 'r' THEN 'it is no table'
  WHEN EXISTS (SELECT FROM (VALUES (t.relowner), (n.nspowner)) AS owners (id)
               JOIN pg_catalog.pg_roles r ON r.oid = id
               WHERE NOT r.rolsuper AND r.rolname <> current_user AND r.oid <>
                     (SELECT datdba FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
  THEN 'it belongs to somebody else'
  WHEN t.relhastriggers OR t.relhasrules OR t.relrowsecurity THEN 'it has triggers, rules or row security'
  WHEN (SELECT pg_catalog.string_agg(attname || ' ' || pg_catalog.format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
        FROM pg_catalog.pg_attribute WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped) <>
       'caller text, id text, fingerprint bytea, answer bytea, answer_bytes bigint, done_at timestamp with time zone'
  THEN 'it has other columns'
  WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indrelid = t.oid AND indisprimary AND indkey::text = '1 2')
  THEN 'its primary key is not (caller, id)' ELSE '' END
FROM (VALUES ('requests')) AS wanted (name)
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'sluice'
LEFT JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relname = wanted.name)";
}

// (Of several privileges in one question any one would do.)
std::string Ledger::MayBeUsed() {
  std::string question = "SELECT pg_catalog.has_schema_privilege('sluice', 'USAGE')";
  for (const char* privilege : {"SELECT", "INSERT", "UPDATE", "DELETE"}) {
    absl::StrAppend(&question, " AND pg_catalog.has_table_privilege('sluice.requests', '", privilege, "')");
  }
  return question;
}

absl::Status Ledger::Examine(Turn* turn) {
  if (is_sound_.load(std::memory_order_relaxed)) return absl::OkStatus();
  const std::string examination = Examination();
  postgres::Flight flight;
  flight.statements = {examination};
  const postgres::FlightReport report = turn->Ask(flight);
  // What is wrong with the connection the next flight finds as well.
  if (report.failure.has_value()) return absl::OkStatus();
  const absl::string_view found = report.results[0].Text(0, 0);
  if (found == "none") return errors::LedgerUnavailable("relation \"sluice.requests\" does not exist", "42P01");
  if (!found.empty())
    return errors::LedgerUnavailable(absl::StrCat("the one that is there is not its own: ", found), "");
  is_sound_.store(true, std::memory_order_relaxed);
  return absl::OkStatus();
}

std::vector<std::string> Ledger::Definition(absl::string_view role) {
  std::vector<std::string> statements = {
      "CREATE SCHEMA IF NOT EXISTS sluice",
      "CREATE TABLE IF NOT EXISTS sluice.requests (\n"
      "  caller text NOT NULL,\n"
      "  id text NOT NULL,\n"
      "  fingerprint bytea NOT NULL,\n"
      "  answer bytea,\n"
      "  answer_bytes bigint,\n"
      "  done_at timestamptz NOT NULL DEFAULT clock_timestamp(),\n"
      "  PRIMARY KEY (caller, id)\n"
      // Each entry is written twice; and nothing stays for long.
      ") WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000)",
      "CREATE INDEX IF NOT EXISTS requests_done_at ON sluice.requests (done_at)",
      "COMMENT ON TABLE sluice.requests IS 'Sluice: calls with a request_id that were committed, and their answers'"};
  if (!role.empty()) {
    const std::string name = sql::QuotedName(role);
    statements.push_back(absl::StrCat("GRANT USAGE ON SCHEMA sluice TO ", name));
    statements.push_back(absl::StrCat("GRANT SELECT, INSERT, UPDATE, DELETE ON sluice.requests TO ", name));
  }
  return statements;
}

void Ledger::OnAdded(admission::Line* line) {
  const absl::Duration pause = std::clamp(retention_ / 10, absl::Milliseconds(100), absl::Minutes(1));
  const int64_t now = absl::ToUnixNanos(absl::Now());
  int64_t due = sweep_at_.load(std::memory_order_relaxed);
  if (now < due || !sweep_at_.compare_exchange_strong(due, now + absl::ToInt64Nanoseconds(pause))) return;
  (void)line->Join(std::make_shared<Sweep>(retention_, line));
}

}  // namespace sluice::query
