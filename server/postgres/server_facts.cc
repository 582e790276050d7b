#include "server/postgres/server_facts.h"

#include <libpq-fe.h>

#include <cstdint>

#include "absl/strings/numbers.h"

namespace sluice::postgres {

absl::string_view QuestionAboutServer() {
  // Functions of pg_catalog by their full name: anybody can put others in front of them.
  return "SELECT pg_catalog.current_setting('jit', true),"
         " (SELECT source FROM pg_catalog.pg_settings WHERE name = 'jit'),"
         " pg_catalog.pg_backend_pid(), pg_catalog.current_setting('server_version'),"
         " pg_catalog.current_setting('transaction_read_only'), pg_catalog.pg_is_in_recovery(),"
         " pg_catalog.current_setting('extra_float_digits'),"
         " (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'statement_timeout'),"
         " pg_catalog.current_setting('default_transaction_isolation')";
}

ServerFacts ReadServerFacts(const Result& answer, pg_conn* connection) {
  ServerFacts facts;
  facts.jit.setting = std::string(answer.Text(0, 0));
  facts.jit.source = std::string(answer.Text(0, 1));
  if (!absl::SimpleAtoi(answer.Text(0, 2), &facts.backend_pid)) facts.backend_pid = 0;
  facts.server_version = std::string(answer.Text(0, 3));
  facts.read_only = answer.Text(0, 4) == "on";
  facts.in_recovery = answer.Text(0, 5) == "t";
  if (!absl::SimpleAtoi(answer.Text(0, 6), &facts.extra_float_digits)) facts.extra_float_digits = 0;
  int64_t timeout_ms = 0;
  if (absl::SimpleAtoi(answer.Text(0, 7), &timeout_ms) && timeout_ms > 0) {
    facts.statement_timeout = absl::Milliseconds(timeout_ms);
  }
  facts.reads_committed = answer.Text(0, 8) == "read committed" || answer.Text(0, 8) == "read uncommitted";
  facts.date_style = std::string(ReportedSetting(connection, "DateStyle"));
  facts.interval_style = std::string(ReportedSetting(connection, "IntervalStyle"));
  facts.server_version_number = PQserverVersion(connection);
  facts.behind_pooler = PQbackendPID(connection) != facts.backend_pid;
  facts.jit.behind_pooler = facts.behind_pooler;
  facts.has_cancel_key = PQbackendPID(connection) != 0;
  facts.tls = PQsslInUse(connection) != 0;
  facts.standard_conforming_strings = ReportedSetting(connection, "standard_conforming_strings") != "off";
  return facts;
}

absl::string_view ReportedSetting(pg_conn* connection, const char* name) {
  const char* value = PQparameterStatus(connection, name);
  return value == nullptr ? "" : value;
}

}  // namespace sluice::postgres
