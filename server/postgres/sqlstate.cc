#include "server/postgres/sqlstate.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/postgres/condition_names.h"

namespace sluice::postgres {
namespace {

using absl::StatusCode;

struct Rule {
  StatusCode code;
  // A retry can help and is safe, once the work is known not to have been done.
  bool retry = false;
};

using Rules = absl::flat_hash_map<absl::string_view, Rule>;

// clang-format off
const Rules& ExactRules() {
  static const auto& rules = *new Rules{
      {"0L000", {StatusCode::kPermissionDenied}},
      {"0LP01", {StatusCode::kPermissionDenied}},
      {"0P000", {StatusCode::kPermissionDenied}},
      {"22003", {StatusCode::kOutOfRange}},
      {"22008", {StatusCode::kOutOfRange}},
      {"23001", {StatusCode::kFailedPrecondition}},
      {"23503", {StatusCode::kFailedPrecondition}},
      {"23505", {StatusCode::kAlreadyExists}},
      {"23P01", {StatusCode::kFailedPrecondition}},
      {"23000", {StatusCode::kFailedPrecondition}},
      {"25P03", {StatusCode::kAborted, true}},
      {"25P04", {StatusCode::kAborted, true}},
      {"40001", {StatusCode::kAborted, true}},
      {"40P01", {StatusCode::kAborted, true}},
      {"40000", {StatusCode::kAborted, true}},
      {"40002", {StatusCode::kFailedPrecondition}},
      {"40003", {StatusCode::kUnknown}},
      {"42501", {StatusCode::kPermissionDenied}},
      {"42P01", {StatusCode::kNotFound}},
      {"42704", {StatusCode::kNotFound}},
      {"42710", {StatusCode::kAlreadyExists}},
      {"42P04", {StatusCode::kAlreadyExists}},
      {"42P06", {StatusCode::kAlreadyExists}},
      {"42P07", {StatusCode::kAlreadyExists}},
      {"42701", {StatusCode::kAlreadyExists}},
      {"42723", {StatusCode::kAlreadyExists}},
      {"42P05", {StatusCode::kInternal}},
      {"53300", {StatusCode::kUnavailable, true}},
      {"55P03", {StatusCode::kAborted, true}},
      // Without a cancel of ours (see query/outcome): somebody's pg_cancel_backend.
      {"57014", {StatusCode::kAborted}},
      {"57P01", {StatusCode::kUnavailable, true}},
      {"57P02", {StatusCode::kUnavailable, true}},
      {"57P03", {StatusCode::kUnavailable, true}},
      {"57P04", {StatusCode::kNotFound}},
      {"57P05", {StatusCode::kUnavailable, true}},
      {"58000", {StatusCode::kUnavailable, true}},
      {"P0002", {StatusCode::kNotFound}},
      {"XX001", {StatusCode::kDataLoss}},
      {"XX002", {StatusCode::kDataLoss}},
  };
  return rules;
}

const Rules& ClassRules() {
  static const auto& rules = *new Rules{
      {"03", {StatusCode::kFailedPrecondition}},
      {"08", {StatusCode::kUnavailable, true}},
      {"09", {StatusCode::kInternal}},
      {"0A", {StatusCode::kUnimplemented}},
      {"0B", {StatusCode::kFailedPrecondition}},
      {"0F", {StatusCode::kInternal}},
      {"0Z", {StatusCode::kInternal}},
      {"20", {StatusCode::kInvalidArgument}},
      {"21", {StatusCode::kInvalidArgument}},
      {"22", {StatusCode::kInvalidArgument}},
      {"23", {StatusCode::kInvalidArgument}},
      {"24", {StatusCode::kInternal}},
      {"25", {StatusCode::kFailedPrecondition}},
      {"26", {StatusCode::kInternal}},
      // The gateway's own credentials: never UNAUTHENTICATED, the caller's token is fine.
      {"28", {StatusCode::kInternal}},
      {"2B", {StatusCode::kFailedPrecondition}},
      {"2D", {StatusCode::kFailedPrecondition}},
      // A cursor that the caller itself named, in a batch.
      {"34", {StatusCode::kFailedPrecondition}},
      {"3B", {StatusCode::kFailedPrecondition}},
      {"3D", {StatusCode::kNotFound}},
      {"3F", {StatusCode::kNotFound}},
      {"42", {StatusCode::kInvalidArgument}},
      {"44", {StatusCode::kInvalidArgument}},
      {"53", {StatusCode::kResourceExhausted}},
      {"54", {StatusCode::kInvalidArgument}},
      {"55", {StatusCode::kFailedPrecondition}},
      {"57", {StatusCode::kUnavailable}},
      {"58", {StatusCode::kInternal}},
      {"72", {StatusCode::kAborted, true}},
      {"F0", {StatusCode::kInternal}},
      {"HV", {StatusCode::kInternal}},
      {"P0", {StatusCode::kFailedPrecondition}},
      {"XX", {StatusCode::kInternal}},
  };
  return rules;
}
// clang-format on

Rule RuleOf(absl::string_view sqlstate) {
  int chosen = 0;
  if (absl::StartsWith(sqlstate, "GR") && absl::SimpleAtoi(sqlstate.substr(2), &chosen) && chosen >= 1 &&
      chosen <= 16) {
    return {static_cast<StatusCode>(chosen)};
  }
  auto exact = ExactRules().find(sqlstate);
  if (exact != ExactRules().end()) return exact->second;
  auto by_class = ClassRules().find(sqlstate.substr(0, 2));
  return by_class != ClassRules().end() ? by_class->second : Rule{StatusCode::kUnknown};
}

// Fields are cut: a hostile function can make them as long as it likes, and the whole of a
// status's details must stay under 4 KiB.
v1::PostgresError ToProto(const ServerError& error, int position) {
  constexpr size_t kName = 64, kText = 384;
  v1::PostgresError proto;
  proto.set_sqlstate(Shortened(error.sqlstate, 5));
  proto.set_severity(Shortened(error.severity, 16));
  proto.set_message(Shortened(error.message, kText));
  proto.set_detail(Shortened(error.detail, kText));
  proto.set_hint(Shortened(error.hint, kText));
  proto.set_position(position);
  proto.set_schema(Shortened(error.schema, kName));
  proto.set_table(Shortened(error.table, kName));
  proto.set_column(Shortened(error.column, kName));
  proto.set_data_type(Shortened(error.data_type, kName));
  proto.set_constraint(Shortened(error.constraint, kName));
  proto.set_where(Shortened(error.where, kText));
  return proto;
}

absl::Duration RetryDelay(absl::string_view sqlstate) {
  return sqlstate == "53300" ? absl::Milliseconds(100) : absl::Milliseconds(20);
}

}  // namespace

std::string ReasonOfSqlState(absl::string_view sqlstate) {
  // 25006 is also how a read-only call refuses a write.
  if (sqlstate == "25006") return "READ_ONLY";
  const absl::string_view name = ConditionName(sqlstate);
  return name.empty() ? "POSTGRES_ERROR" : std::string(name);
}

absl::StatusCode CodeOfSqlState(absl::string_view sqlstate) { return RuleOf(sqlstate).code; }

absl::Status FromServerError(const ServerError& error, Outcome outcome, bool is_verdict, int position) {
  const Rule rule = RuleOf(error.sqlstate);
  ErrorFacts facts;
  facts.code = rule.code;
  facts.reason = ReasonOfSqlState(error.sqlstate);
  facts.message = error.message;
  facts.outcome = outcome;
  facts.postgres = ToProto(error, position);

  const auto add = [&facts](const char* key, const std::string& value) {
    if (!value.empty()) facts.metadata[key] = value;
  };
  add("sqlstate", error.sqlstate);
  add("schema", error.schema);
  add("table", error.table);
  add("column", error.column);
  add("dataType", error.data_type);
  add("constraint", error.constraint);
  if (position > 0) add("position", absl::StrCat(position));

  if (outcome == v1::OUTCOME_UNKNOWN && !is_verdict) {
    facts.code = absl::StatusCode::kUnknown;
    facts.reason = "OUTCOME_UNKNOWN";
    facts.message = absl::StrCat("it may have been committed: ", error.message);
  } else if (outcome == v1::OUTCOME_NOT_STARTED && rule.code != absl::StatusCode::kNotFound) {
    // A pooler's refusal under whatever code it uses: nothing ran, try again.
    facts.code = absl::StatusCode::kUnavailable;
    facts.reason = "BACKEND_UNREACHABLE";
    facts.retry_after = absl::Milliseconds(100);
  } else if (absl::StartsWith(error.sqlstate, "08")) {
    // PostgreSQL's own verdict: its connection to another server broke (dblink, a foreign
    // table), and what was done there was perhaps not rolled back.
    facts.code = absl::StatusCode::kUnknown;
  } else if (rule.retry && outcome != v1::OUTCOME_UNKNOWN) {
    facts.retry_after = RetryDelay(error.sqlstate);
  }
  return MakeError(std::move(facts));
}

}  // namespace sluice::postgres
