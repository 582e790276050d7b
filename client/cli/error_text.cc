#include "client/cli/error_text.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/cli/terminal.h"
#include "client/cpp/error.h"

namespace sluice::cli {
namespace {

// The line of the statement that has the position, and a caret under it.
std::string PointAt(absl::string_view sql, int position) {
  size_t line_begin = 0, place = 0;
  for (int seen = 0; place < sql.size(); ++place) {
    const bool begins_character = (sql[place] & 0xc0) != 0x80;
    if (begins_character && ++seen == position) break;
    if (sql[place] == '\n') line_begin = place + 1;
  }
  const absl::string_view line = sql.substr(line_begin, sql.substr(line_begin).find('\n'));
  const absl::string_view before = line.substr(0, place - line_begin);
  return absl::StrCat("  ", Printable(line), "\n  ", std::string(Width(Printable(before)), ' '), "^\n");
}

std::string OutcomeText(Outcome outcome) {
  switch (outcome) {
    case v1::OUTCOME_NOT_STARTED: return "nothing was run";
    case v1::OUTCOME_ROLLED_BACK: return "everything was rolled back";
    case v1::OUTCOME_COMMITTED: return "IT WAS COMMITTED, only its answer is missing: do not repeat a write";
    default: return "UNKNOWN: it may have been committed; look before you repeat it";
  }
}

}  // namespace

std::string ErrorText(const absl::Status& status, absl::string_view sql) {
  const ErrorFacts facts = FactsOf(status);
  std::string text = absl::StrCat("ERROR ", absl::StatusCodeToString(facts.code));
  if (!facts.reason.empty()) absl::StrAppend(&text, " ", facts.reason);
  auto sqlstate = facts.metadata.find("sqlstate");
  if (sqlstate != facts.metadata.end()) absl::StrAppend(&text, " (", sqlstate->second, ")");
  absl::StrAppend(&text, ": ", PrintableLines(facts.message), "\n");
  int position = 0;
  auto where = facts.metadata.find("position");
  if (where != facts.metadata.end() && absl::SimpleAtoi(where->second, &position) && position > 0) {
    absl::StrAppend(&text, PointAt(sql, position));
  }
  if (facts.postgres.has_value()) {
    if (!facts.postgres->detail().empty())
      absl::StrAppend(&text, "Detail: ", PrintableLines(facts.postgres->detail()), "\n");
    if (!facts.postgres->hint().empty()) absl::StrAppend(&text, "Hint: ", PrintableLines(facts.postgres->hint()), "\n");
  }
  absl::StrAppend(&text, "Outcome: ", OutcomeText(client::OutcomeOf(status)), "\n");
  return text;
}

std::string ErrorJson(const absl::Status& status) {
  using Json = nlohmann::ordered_json;
  const ErrorFacts facts = FactsOf(status);
  Json error = {{"code", absl::StatusCodeToString(facts.code)}};
  if (!facts.reason.empty()) error["reason"] = facts.reason;
  auto sqlstate = facts.metadata.find("sqlstate");
  if (sqlstate != facts.metadata.end()) error["sqlstate"] = sqlstate->second;
  error["outcome"] = std::string(OutcomeName(client::OutcomeOf(status)));
  error["message"] = facts.message;
  return Json{{"error", std::move(error)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sluice::cli
