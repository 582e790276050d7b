#include "server/sql/statement.h"

#include <array>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/base/utf8.h"
#include "server/sql/lexer.h"
#include "server/sql/session_state.h"
#include "server/sql/words.h"

namespace sluice::sql {
namespace {

using Set = absl::flat_hash_set<absl::string_view>;

// Reads tokens up to the end of the text and refuses a second statement.
class Reader {
 public:
  explicit Reader(absl::string_view text) : text_(text), lexer_(text, /*standard_conforming_strings=*/true) {}

  // The words of the one statement; fills in its placeholders and strings.
  absl::StatusOr<Words> Read(Statement* statement) {
    Words words(text_);
    bool ended = false;
    for (Token token = lexer_.Next(); token.kind != TokenKind::kEnd; token = lexer_.Next()) {
      if (token.kind == TokenKind::kError) {
        return errors::SyntaxError(lexer_.error(), CharacterPosition(text_, token.begin));
      }
      if (EndsStatement(token)) {
        ended = !words.empty();
        continue;
      }
      if (parentheses_ < 0) return errors::SyntaxError("unmatched )", CharacterPosition(text_, token.begin));
      if (ended) return errors::MultipleStatements(CharacterPosition(text_, token.begin));
      if (token.kind == TokenKind::kParameter) {
        statement->placeholders.push_back({token.begin, token.end, token.number});
      }
      if (token.kind == TokenKind::kString) ++statement->string_count;
      words.Add(token);
      RETURN_IF_ERROR(FollowBody(words));
    }
    // PostgreSQL would read on in the next statement of a batch.
    if (parentheses_ != 0 || in_body_) {
      return errors::SyntaxError("a parenthesis or a routine body is not closed",
                                 CharacterPosition(text_, text_.size()));
    }
    statement->depends_on_string_setting = lexer_.depends_on_string_setting();
    if (words.empty()) return errors::EmptyStatement();
    return words;
  }

 private:
  bool EndsStatement(const Token& token) {
    if (token.kind != TokenKind::kSymbol) return false;
    const char c = text_[token.begin];
    if (c == '(') ++parentheses_;
    if (c == ')') --parentheses_;
    return c == ';' && parentheses_ <= 0 && !in_body_;
  }

  // CREATE FUNCTION ... BEGIN ATOMIC stmt; stmt; END is one statement. BEGIN ATOMIC at
  // the top level of CREATE FUNCTION / PROCEDURE can only be such a body, and its first
  // END closes it, since a body with CASE (whose END would count too) is refused.
  absl::Status FollowBody(const Words& words) {
    if (parentheses_ > 0 || !words.IsCreateRoutine()) return absl::OkStatus();
    if (in_body_ && words.Last("case")) {
      return errors::SyntaxError("a BEGIN ATOMIC body with CASE is not supported: quote the body with $$",
                                 CharacterPosition(text_, words.last_begin()));
    }
    if (words.Last("end")) in_body_ = false;
    if (words.Last("begin", "atomic")) in_body_ = true;
    return absl::OkStatus();
  }

  const absl::string_view text_;
  Lexer lexer_;
  int parentheses_ = 0;
  bool in_body_ = false;
};

// Where $n means what it means to a server-side bind. Elsewhere (CREATE FUNCTION ...
// RETURN $1 + 1) a literal in its place would silently mean another thing.
const Set& TakesParameters() {
  static const auto& set = *new Set{"SELECT", "WITH",  "VALUES", "TABLE",   "INSERT", "UPDATE",
                                    "DELETE", "MERGE", "CALL",   "EXPLAIN", "DECLARE"};
  return set;
}

const Set& Reads() {
  static const auto& set = *new Set{"SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN", "SHOW"};
  return set;
}

const Set& Writes() {
  static const auto& set = *new Set{"INSERT", "UPDATE", "DELETE", "MERGE"};
  return set;
}

// What a READ ONLY transaction lets through, and is no read.
const Set& ActsInReadOnly() {
  static const auto& set = *new Set{"COPY", "NOTIFY", "LOCK", "ANALYZE", "ANALYSE"};
  return set;
}

bool MayShareTransaction(const Words& words) {
  static const auto& never = *new Set{"VACUUM", "CALL", "DO", "REINDEX", "CLUSTER", "CHECKPOINT"};
  static const auto& outside = *new Set{"DATABASE", "TABLESPACE", "SYSTEM", "SUBSCRIPTION"};
  if (never.contains(words.Head(0))) return false;
  const bool definition = words.Head(0) == "CREATE" || words.Head(0) == "DROP" || words.Head(0) == "ALTER";
  if (!definition) return true;
  return !outside.contains(words.Head(1)) && !words.has_concurrently();
}

}  // namespace

absl::StatusOr<Statement> ParseStatement(absl::string_view text, bool has_parameters) {
  if (std::optional<size_t> bad = FindInvalidUtf8(text)) {
    return errors::InvalidText("statement.sql",
                               absl::StrCat(text[*bad] == '\0' ? "NUL byte" : "invalid UTF-8", " at byte ", *bad));
  }
  Statement statement;
  ASSIGN_OR_RETURN(const Words words, Reader(text).Read(&statement));
  statement.keyword = std::string(words.Head(0));
  const bool takes_parameters = TakesParameters().contains(statement.keyword);
  if (has_parameters && !takes_parameters) return errors::ParametersNotAllowed(statement.keyword);
  // In the body of a function a $1 without parameters is right.
  if (!has_parameters && takes_parameters && !statement.placeholders.empty()) {
    return errors::ParameterCount("the statement has parameters ($n), but none were sent", "08P01");
  }
  RETURN_IF_ERROR(CheckLeavesNothingBehind(words));
  statement.may_share_transaction = MayShareTransaction(words);
  statement.is_query = Reads().contains(statement.keyword);
  statement.is_plannable = statement.is_query || (takes_parameters && statement.keyword != "CALL");
  statement.looks_read_only = statement.is_query && !words.may_have_effect();
  statement.draws_lots = words.draws_lots();
  statement.is_plain_write = Writes().contains(statement.keyword) && !words.calls_others();
  if (words.read_only_escape().has_value()) statement.read_only_escape = *words.read_only_escape();
  if (ActsInReadOnly().contains(statement.keyword)) statement.read_only_escape = statement.keyword;
  if (statement.keyword == "EXPLAIN" && (words.has_create() || words.has_into())) {
    statement.read_only_escape = "EXPLAIN of a statement that makes a table";
  }
  return statement;
}

}  // namespace sluice::sql
