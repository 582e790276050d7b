#ifndef SLUICE_SERVER_SQL_WORDS_H_
#define SLUICE_SERVER_SQL_WORDS_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/sql/lexer.h"
#include "server/sql/set_config.h"

namespace sluice::sql {

// What the words of one statement give away, gathered in one pass without keeping the
// tokens: the first few words, and whether certain words or calls occur anywhere.
class Words {
 public:
  explicit Words(absl::string_view text) : text_(text) {}

  void Add(const Token& token);

  bool empty() const { return token_count_ == 0; }
  absl::string_view text() const { return text_; }

  // The i-th of the first eight words in upper case, without quotes (but U&"..." as it
  // stands); symbols, strings and numbers are passed over. "" past the end.
  absl::string_view Head(size_t i) const { return i < head_count_ ? absl::string_view(head_[i]) : ""; }

  // CREATE [OR REPLACE] FUNCTION | PROCEDURE
  bool IsCreateRoutine() const;

  // Whether the latest token is this word, in lower case; or the latest two are these.
  bool Last(absl::string_view word) const;
  bool Last(absl::string_view word_before, absl::string_view word) const;
  size_t last_begin() const { return last_.begin; }

  // Occurrences anywhere in the statement.
  bool has_concurrently() const { return has_concurrently_; }
  bool has_on_commit_drop() const { return has_on_commit_drop_; }
  bool has_with_hold() const { return has_with_hold_; }
  // DECLARE c BINARY ... CURSOR
  bool has_binary_cursor() const { return has_binary_cursor_; }
  // UPDATE pg_settings
  bool has_settings_update() const { return has_pg_settings_ && has_update_; }
  bool has_into_temp() const { return has_into_temp_; }
  bool has_create_temp() const { return has_create_temp_; }  // also inside EXPLAIN
  // The schema pg_temp, or that of another session.
  bool has_pg_temp() const { return has_pg_temp_; }
  bool has_into() const { return has_into_; }
  bool has_create() const { return has_create_; }
  // U&"..." with escapes as the name of a function or schema: what it is can not be told.
  bool has_escaped_call() const { return has_escaped_call_; }
  bool has_client_copy() const { return has_client_copy_; }  // STDIN or STDOUT
  // Writing or locking clauses, and calls of functions that are not known to have no effect.
  bool may_have_effect() const { return may_have_effect_ || calls_others_; }
  // The calls alone.
  bool calls_others() const { return calls_others_; }
  // Whoever asks for the same twice wants two results: random(), gen_random_uuid().
  bool draws_lots() const { return draws_lots_; }
  // The first function that changes the session: an advisory lock that outlives the transaction.
  const std::optional<std::string>& session_function() const { return session_function_; }
  // The first function that writes also in READ ONLY transactions, or runs SQL from a text.
  const std::optional<std::string>& read_only_escape() const { return read_only_escape_; }
  bool has_set_config() const { return has_set_config_; }
  bool has_lasting_set_config() const { return set_config_.has_lasting(); }
  const std::optional<std::string>& set_config_of_gateways() const { return set_config_.gateways_setting(); }

 private:
  void AddHead(const Token& token);
  void AddName(absl::string_view name);
  void AddKeyword(const Token& token);
  void FollowEscapedName(const Token& token);
  void FollowCall(const Token& token);
  void FollowParenthesis(const Token& token);
  void FollowTarget(const Token& token, bool is_name);
  bool IsAlias() const;
  bool IsNoCallInItsPlace() const;
  std::string LowerCase(const Token& token) const;
  char Symbol(const Token& token) const { return token.kind == TokenKind::kSymbol ? text_[token.begin] : '\0'; }

  const absl::string_view text_;
  size_t token_count_ = 0;
  std::array<std::string, 8> head_;
  size_t head_count_ = 0;
  Token third_last_;
  Token before_last_;
  Token last_;
  // The last name, as PostgreSQL folds it, and whether it belongs to a schema of somebody's.
  std::string name_;
  bool name_is_foreign_ = false;

  bool has_concurrently_ = false;
  bool has_on_commit_drop_ = false;
  bool has_with_hold_ = false;
  bool has_binary_ = false;
  bool has_binary_cursor_ = false;
  bool has_pg_settings_ = false;
  bool has_insert_ = false;
  bool has_update_ = false;
  bool has_into_ = false;
  bool has_into_temp_ = false;
  bool has_create_ = false;
  bool has_create_temp_ = false;
  bool has_pg_temp_ = false;
  bool has_escaped_call_ = false;
  // Behind U&"..." that may have escapes, and a UESCAPE that may follow.
  bool behind_escaped_name_ = false;
  bool has_client_copy_ = false;
  bool may_have_effect_ = false;
  bool calls_others_ = false;
  bool draws_lots_ = false;
  // Of the parentheses that are open, and of the one that was closed last.
  std::vector<bool> alias_may_follow_;
  bool alias_may_follow_last_ = false;
  // Behind INTO: a table's name, which a list of columns may follow.
  bool names_target_ = false;
  std::optional<std::string> session_function_;
  std::optional<std::string> read_only_escape_;
  bool has_set_config_ = false;
  SetConfigCalls set_config_;
};

}  // namespace sluice::sql

#endif  // SLUICE_SERVER_SQL_WORDS_H_
