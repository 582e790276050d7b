#include "server/sql/words.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "server/sql/functions.h"

namespace sluice::sql {
namespace {

// Clauses that write: EXPLAIN ANALYZE runs what it explains. By length first: this is asked of
// every word of every statement.
bool IsWritingWord(absl::string_view word) {
  switch (word.size()) {
    case 4: return word == "into";
    case 5: return word == "merge";
    case 6: return word == "insert" || word == "update" || word == "delete";
    case 7: return word == "analyze" || word == "analyse";
    default: return false;
  }
}

}  // namespace

void Words::Add(const Token& token) {
  ++token_count_;
  FollowEscapedName(token);
  FollowCall(token);
  FollowParenthesis(token);
  const bool is_name = token.kind == TokenKind::kIdentifier || token.kind == TokenKind::kQuotedIdentifier;
  if (is_name) {
    AddHead(token);
    // pg_catalog.lower is PostgreSQL's own; my.lower is not.
    name_is_foreign_ = Symbol(last_) == '.' && name_ != "pg_catalog";
    if (token.kind == TokenKind::kIdentifier) {
      name_ = absl::AsciiStrToLower(text_.substr(token.begin, token.end - token.begin));
      AddKeyword(token);
    } else {
      const size_t quote = text_[token.begin] == '"' ? token.begin : token.begin + 2;
      const absl::string_view content = text_.substr(quote + 1, token.end - quote - 2);
      name_ = absl::StrReplaceAll(content, {{"\"\"", "\""}});
    }
    AddName(name_);
  }
  FollowTarget(token, is_name);
  const bool is_set_config = is_name && name_ == "set_config";
  has_set_config_ |= is_set_config;
  set_config_.Add(text_, token, is_set_config);
  third_last_ = before_last_;
  before_last_ = last_;
  last_ = token;
}

void Words::AddKeyword(const Token& token) {
  has_with_hold_ |= Last("with") && IsWord(text_, token, "hold");
  has_create_ |= IsWord(text_, token, "create");
  has_insert_ |= IsWord(text_, token, "insert");
  has_update_ |= IsWord(text_, token, "update");
  has_binary_ |= IsWord(text_, token, "binary");
  has_binary_cursor_ |= has_binary_ && IsWord(text_, token, "cursor");
  if (IsWord(text_, token, "temp") || IsWord(text_, token, "temporary")) {
    const bool scoped = Last("local") || Last("global");
    has_into_temp_ |= Last("into") || Last("into", "local") || Last("into", "global");
    has_create_temp_ |= has_create_ && (scoped || Last("create") || Last("replace"));
  }
  has_on_commit_drop_ |= Last("on", "commit") && IsWord(text_, token, "drop");
  // FOR UPDATE, FOR SHARE, FOR NO KEY UPDATE, FOR KEY SHARE; substring(x FOR 3) is none.
  may_have_effect_ |=
      Last("for") && (IsWord(text_, token, "share") || IsWord(text_, token, "no") || IsWord(text_, token, "key"));
}

// name(...), unless it is the column list of a table, an alias or a CTE.
void Words::FollowCall(const Token& token) {
  const bool behind_name = last_.kind == TokenKind::kIdentifier || last_.kind == TokenKind::kQuotedIdentifier;
  if (Symbol(token) != '(' || !behind_name) return;
  // No alias has such a name, whatever it looks like.
  const bool escapes = WritesInReadOnly(name_) || RunsSql(name_);
  if (escapes && !read_only_escape_.has_value()) read_only_escape_ = name_;
  if (escapes || name_ == "set_config") calls_others_ = true;
  if (IsAlias() || names_target_) return;
  draws_lots_ |= DrawsLots(name_);
  if (!name_is_foreign_ && OnlyReads(name_)) return;
  const bool is_word = last_.kind == TokenKind::kIdentifier && Symbol(before_last_) != '.';
  if (is_word && (IsNoCall(name_, LowerCase(before_last_)) || IsNoCallInItsPlace())) return;
  calls_others_ = true;
}

// INSERT ... ON CONFLICT (a), but JOIN b ON conflict(a); AS NOT MATERIALIZED (, but WHERE NOT materialized(a).
bool Words::IsNoCallInItsPlace() const {
  if (name_ == "conflict") return Last("on", "conflict") && Symbol(third_last_) == ')' && has_insert_;
  return name_ == "materialized" && Last("not", "materialized") && IsWord(text_, third_last_, "as");
}

// Which of them an alias can stand behind: ... FROM f(x) t(a, b), but SELECT DISTINCT ON (a) f(b) and
// OPERATOR(pg_catalog.+) f(b).
void Words::FollowParenthesis(const Token& token) {
  if (Symbol(token) == '(') {
    alias_may_follow_.push_back(!Last("operator") && !Last("distinct", "on"));
  } else if (Symbol(token) == ')' && !alias_may_follow_.empty()) {
    alias_may_follow_last_ = alias_may_follow_.back();
    alias_may_follow_.pop_back();
  }
}

// INSERT INTO t, MERGE INTO s.t
void Words::FollowTarget(const Token& token, bool is_name) {
  const bool name_may_follow = Last("into") || Symbol(last_) == '.';
  const bool goes_on = names_target_ && (name_may_follow ? is_name : Symbol(token) == '.');
  names_target_ = goes_on || (IsWord(text_, token, "into") && (Last("insert") || Last("merge")));
}

// ... AS t(a, b) and ...) t(a, b); WITH t(a) AS.
bool Words::IsAlias() const {
  return IsWord(text_, before_last_, "as") || (Symbol(before_last_) == ')' && alias_may_follow_last_) ||
         IsWord(text_, before_last_, "with") || IsWord(text_, before_last_, "recursive");
}

std::string Words::LowerCase(const Token& token) const {
  return absl::AsciiStrToLower(text_.substr(token.begin, token.end - token.begin));
}

// U&"set\005fconfig"(...), and the same with another escape character behind UESCAPE.
void Words::FollowEscapedName(const Token& token) {
  if (token.kind == TokenKind::kQuotedIdentifier && text_[token.begin] != '"') {
    behind_escaped_name_ = absl::StrContains(text_.substr(token.begin, token.end - token.begin), '\\');
  } else if (IsWord(text_, token, "uescape")) {
    behind_escaped_name_ = last_.kind == TokenKind::kQuotedIdentifier;
  } else if (token.kind != TokenKind::kString) {
    has_escaped_call_ |= behind_escaped_name_ && (Symbol(token) == '(' || Symbol(token) == '.');
    behind_escaped_name_ = false;
  }
}

void Words::AddHead(const Token& token) {
  if (head_count_ == head_.size()) return;
  absl::string_view word = text_.substr(token.begin, token.end - token.begin);
  if (token.kind == TokenKind::kQuotedIdentifier && word.front() == '"') word = word.substr(1, word.size() - 2);
  head_[head_count_++] = absl::AsciiStrToUpper(word);
}

// `name` as PostgreSQL folds it.
void Words::AddName(absl::string_view name) {
  may_have_effect_ |= IsWritingWord(name);
  if (name == "concurrently") has_concurrently_ = true;
  if (name == "pg_settings") has_pg_settings_ = true;
  has_pg_temp_ |= name == "pg_temp" || absl::StartsWith(name, "pg_temp_");
  has_into_ |= name == "into" && !Last("insert");
  if (name == "stdin" || name == "stdout") has_client_copy_ = true;
  if (ChangesSession(name) && !session_function_.has_value()) session_function_ = std::string(name);
}

bool Words::IsCreateRoutine() const {
  if (Head(0) != "CREATE") return false;
  const absl::string_view what = Head(1) == "OR" ? Head(3) : Head(1);
  return what == "FUNCTION" || what == "PROCEDURE";
}

bool Words::Last(absl::string_view word) const { return IsWord(text_, last_, word); }

bool Words::Last(absl::string_view word_before, absl::string_view word) const {
  return IsWord(text_, before_last_, word_before) && Last(word);
}

}  // namespace sluice::sql
