#include "server/query/subquery.h"

#include "absl/strings/match.h"
#include "server/sql/lexer.h"

namespace sluice::query {

Subquery ReadAsSubquery(absl::string_view statement) {
  Subquery subquery;
  subquery.text = statement;
  sql::Lexer lexer(statement, /*standard_conforming_strings=*/true);
  int depth = 0;
  for (sql::Token token = lexer.Next(); token.kind > sql::TokenKind::kError; token = lexer.Next()) {
    const absl::string_view word = statement.substr(token.begin, token.end - token.begin);
    if (token.kind == sql::TokenKind::kIdentifier) subquery.has_returning |= absl::EqualsIgnoreCase(word, "returning");
    if (token.kind != sql::TokenKind::kSymbol) continue;
    if (word == ";") {
      subquery.text = statement.substr(0, token.begin);
      break;
    }
    depth += word == "(" ? 1 : word == ")" ? -1 : 0;
    if (depth < 0 && !subquery.closes_too_much_at.has_value()) subquery.closes_too_much_at = token.begin;
  }
  return subquery;
}

}  // namespace sluice::query
