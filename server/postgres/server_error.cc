#include "server/postgres/server_error.h"

#include <libpq-fe.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "server/base/utf8.h"

namespace sluice::postgres {
namespace {

std::string Field(const PGresult* result, int field) {
  const char* text = PQresultErrorField(result, field);
  return text == nullptr ? "" : WithoutInvalidUtf8(text);
}

bool IsSqlState(absl::string_view text) {
  return text.size() == 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isdigit(c) || absl::ascii_isupper(c); });
}

}  // namespace

ServerError ReadServerError(const pg_result* result) {
  ServerError error;
  error.severity = Field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  // Servers before 9.6, and poolers, send only the other one.
  if (error.severity.empty()) error.severity = Field(result, PG_DIAG_SEVERITY);
  error.sqlstate = Field(result, PG_DIAG_SQLSTATE);
  error.message = Field(result, PG_DIAG_MESSAGE_PRIMARY);
  if (error.message.empty()) {
    error.message = std::string(absl::StripAsciiWhitespace(PQresultErrorMessage(result)));
  }
  error.detail = Field(result, PG_DIAG_MESSAGE_DETAIL);
  error.hint = Field(result, PG_DIAG_MESSAGE_HINT);
  if (!absl::SimpleAtoi(Field(result, PG_DIAG_STATEMENT_POSITION), &error.position)) error.position = 0;
  error.schema = Field(result, PG_DIAG_SCHEMA_NAME);
  error.table = Field(result, PG_DIAG_TABLE_NAME);
  error.column = Field(result, PG_DIAG_COLUMN_NAME);
  error.data_type = Field(result, PG_DIAG_DATATYPE_NAME);
  error.constraint = Field(result, PG_DIAG_CONSTRAINT_NAME);
  error.where = Field(result, PG_DIAG_CONTEXT);
  return error;
}

ServerError ParseConnectError(const std::string& as_it_came) {
  ServerError error;
  error.severity = "FATAL";
  // Before the login a server speaks in its own encoding.
  const std::string text = WithoutInvalidUtf8(as_it_came);
  error.message = std::string(absl::StripAsciiWhitespace(text));
  // A list of hosts gives a list of errors: the last one counts.
  constexpr absl::string_view kMarks[] = {"FATAL:  ", "ERROR:  "};
  size_t at = std::string::npos;
  for (absl::string_view mark : kMarks) {
    const size_t found = text.rfind(mark.data(), std::string::npos, mark.size());
    if (found != std::string::npos && (at == std::string::npos || found > at)) at = found;
  }
  if (at == std::string::npos) return error;

  absl::string_view rest = absl::string_view(text).substr(at + kMarks[0].size());
  if (rest.size() > 7 && IsSqlState(rest.substr(0, 5)) && rest.substr(5, 2) == ": ") {
    error.sqlstate = std::string(rest.substr(0, 5));
    rest.remove_prefix(7);
  }
  error.message = std::string(absl::StripAsciiWhitespace(rest.substr(0, rest.find('\n'))));
  return error;
}

}  // namespace sluice::postgres
