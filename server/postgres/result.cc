#include "server/postgres/result.h"

#include <libpq-fe.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace sluice::postgres {

void Result::Clear::operator()(pg_result* result) const { PQclear(result); }

Result::Result(pg_result* result) : result_(result), rows_(PQntuples(result)), columns_(PQnfields(result)) {}

ColumnFacts Result::column(int column) const {
  ColumnFacts facts;
  facts.name = PQfname(result_.get(), column);
  facts.type_oid = PQftype(result_.get(), column);
  facts.type_modifier = PQfmod(result_.get(), column);
  facts.table_oid = PQftable(result_.get(), column);
  facts.table_column = PQftablecol(result_.get(), column);
  return facts;
}

absl::string_view Result::Text(int row, int column) const {
  return absl::string_view(PQgetvalue(result_.get(), row, column),
                           static_cast<size_t>(PQgetlength(result_.get(), row, column)));
}

std::optional<absl::string_view> Result::Value(int row, int column) const {
  const absl::string_view text = Text(row, column);
  if (text.empty() && PQgetisnull(result_.get(), row, column) != 0) return std::nullopt;
  return text;
}

// The tag without its counts: "INSERT 0 1" -> "INSERT".
std::string Result::command() const {
  absl::string_view tag = PQcmdStatus(result_.get());
  while (!tag.empty() && (absl::ascii_isdigit(tag.back()) || tag.back() == ' ')) tag.remove_suffix(1);
  return std::string(tag);
}

int64_t Result::affected_count() const {
  int64_t count = 0;
  if (!absl::SimpleAtoi(PQcmdTuples(result_.get()), &count)) return rows_;
  return count;
}

}  // namespace sluice::postgres
