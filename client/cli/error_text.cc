#include "client/cli/error_text.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"

namespace sluice::cli {
namespace {

// The line of the statement that has the position, and a caret under it.
std::string PointAt(absl::string_view sql, int position) {
  size_t line_begin = 0;
  int column = 0;  // characters before the position in its line
  int seen = 0;
  for (size_t i = 0; i < sql.size(); ++i) {
    if ((sql[i] & 0xc0) == 0x80) continue;
    if (++seen == position) break;
    ++column;
    if (sql[i] == '\n') {
      line_begin = i + 1;
      column = 0;
    }
  }
  const absl::string_view line = sql.substr(line_begin, sql.substr(line_begin).find('\n'));
  return absl::StrCat("  ", line, "\n  ", std::string(column, ' '), "^\n");
}

std::string OutcomeText(Outcome outcome) {
  switch (outcome) {
    case v1::OUTCOME_NOT_STARTED: return "nothing was run";
    case v1::OUTCOME_ROLLED_BACK: return "everything was rolled back";
    case v1::OUTCOME_COMMITTED: return "IT WAS COMMITTED, only its answer is missing: do not repeat it";
    default: return "UNKNOWN: it may have been committed; look before you repeat it";
  }
}

}  // namespace

bool MayHaveRun(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented: return false;
    case absl::StatusCode::kUnavailable: break;
    default: return true;
  }
  // What gRPC says while it has no connection at all.
  for (const char* before : {"failed to connect", "DNS resolution failed", "empty address list"}) {
    if (absl::StrContains(status.message(), before)) return false;
  }
  return true;
}

std::string ErrorText(const absl::Status& status, absl::string_view sql) {
  const ErrorFacts facts = FactsOf(status);
  std::string text = absl::StrCat("ERROR ", absl::StatusCodeToString(facts.code));
  if (facts.reason.empty()) {
    // From gRPC itself: the gateway was not reached, or did not answer.
    absl::StrAppend(&text, ": ", facts.message, "\n");
    if (MayHaveRun(status)) absl::StrAppend(&text, "Outcome: ", OutcomeText(v1::OUTCOME_UNKNOWN), "\n");
    return text;
  }
  absl::StrAppend(&text, " ", facts.reason);
  auto sqlstate = facts.metadata.find("sqlstate");
  if (sqlstate != facts.metadata.end()) absl::StrAppend(&text, " (", sqlstate->second, ")");
  absl::StrAppend(&text, ": ", facts.message, "\n");
  int position = 0;
  auto where = facts.metadata.find("position");
  if (where != facts.metadata.end() && absl::SimpleAtoi(where->second, &position) && position > 0) {
    absl::StrAppend(&text, PointAt(sql, position));
  }
  if (facts.postgres.has_value()) {
    if (!facts.postgres->detail().empty()) absl::StrAppend(&text, "Detail: ", facts.postgres->detail(), "\n");
    if (!facts.postgres->hint().empty()) absl::StrAppend(&text, "Hint: ", facts.postgres->hint(), "\n");
  }
  absl::StrAppend(&text, "Outcome: ", OutcomeText(facts.outcome), "\n");
  return text;
}

}  // namespace sluice::cli
