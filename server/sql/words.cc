#include "server/sql/words.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"

namespace sluice::sql {
namespace {

// Writing clauses, and functions that change something although a SELECT calls them.
const absl::flat_hash_set<absl::string_view>& Effects() {
  static const auto& set = *new absl::flat_hash_set<absl::string_view>{"insert",
                                                                       "update",
                                                                       "delete",
                                                                       "merge",
                                                                       "into",
                                                                       "analyze",
                                                                       "analyse",
                                                                       "nextval",
                                                                       "setval",
                                                                       "set_config",
                                                                       "pg_notify",
                                                                       "pg_terminate_backend",
                                                                       "pg_cancel_backend",
                                                                       "pg_reload_conf",
                                                                       "pg_rotate_logfile",
                                                                       "pg_switch_wal",
                                                                       "pg_create_restore_point",
                                                                       "pg_promote",
                                                                       "pg_export_snapshot",
                                                                       "pg_logical_emit_message",
                                                                       "pg_logical_slot_get_changes",
                                                                       "pg_create_logical_replication_slot",
                                                                       "pg_create_physical_replication_slot",
                                                                       "pg_drop_replication_slot",
                                                                       "pg_stat_reset",
                                                                       "lo_create",
                                                                       "lo_creat",
                                                                       "lo_import",
                                                                       "lo_unlink",
                                                                       "lo_put",
                                                                       "lo_from_bytea",
                                                                       "lowrite",
                                                                       "lo_open",
                                                                       "dblink",
                                                                       "dblink_exec",
                                                                       "query_to_xml",
                                                                       "query_to_xmlschema",
                                                                       "query_to_xml_and_xmlschema",
                                                                       "cursor_to_xml",
                                                                       "txid_current",
                                                                       "pg_current_xact_id",
                                                                       "pg_advisory_xact_lock",
                                                                       "pg_advisory_xact_lock_shared",
                                                                       "pg_try_advisory_xact_lock",
                                                                       "pg_try_advisory_xact_lock_shared"};
  return set;
}

const absl::flat_hash_set<absl::string_view>& SessionLocks() {
  static const auto& set = *new absl::flat_hash_set<absl::string_view>{
      "pg_advisory_lock",   "pg_advisory_lock_shared",   "pg_try_advisory_lock",  "pg_try_advisory_lock_shared",
      "pg_advisory_unlock", "pg_advisory_unlock_shared", "pg_advisory_unlock_all"};
  return set;
}

}  // namespace

void Words::Add(const Token& token) {
  ++token_count_;
  FollowSetConfig(token);
  FollowEscapedName(token);
  if (token.kind == TokenKind::kIdentifier) {
    AddHead(token);
    AddName(absl::AsciiStrToLower(text_.substr(token.begin, token.end - token.begin)));
  } else if (token.kind == TokenKind::kQuotedIdentifier) {
    AddHead(token);
    const size_t quote = text_[token.begin] == '"' ? token.begin : token.begin + 2;
    const absl::string_view content = text_.substr(quote + 1, token.end - quote - 2);
    AddName(absl::StrReplaceAll(content, {{"\"\"", "\""}}));
  }
  if (token.kind == TokenKind::kIdentifier) {
    has_with_hold_ |= Last("with") && IsWord(text_, token, "hold");
    has_create_ |= IsWord(text_, token, "create");
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
  before_last_ = last_;
  last_ = token;
}

// U&"set\005fconfig"(...), and the same with another escape character behind UESCAPE.
void Words::FollowEscapedName(const Token& token) {
  if (token.kind == TokenKind::kQuotedIdentifier && text_[token.begin] != '"') {
    behind_escaped_name_ = absl::StrContains(text_.substr(token.begin, token.end - token.begin), '\\');
  } else if (IsWord(text_, token, "uescape")) {
    behind_escaped_name_ = last_.kind == TokenKind::kQuotedIdentifier;
  } else if (token.kind != TokenKind::kString) {
    has_escaped_call_ |= behind_escaped_name_ && Symbol(token) == '(';
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
  if (Effects().contains(name)) may_have_effect_ = true;
  if (name == "concurrently") has_concurrently_ = true;
  if (name == "pg_temp") {
    has_pg_temp_ = true;
    has_into_temp_ |= Last("into") && !Last("insert", "into");
  }
  if (name == "stdin" || name == "stdout") has_client_copy_ = true;
  if (absl::StartsWith(name, "pg_") && SessionLocks().contains(name)) {
    may_have_effect_ = true;
    if (!session_lock_.has_value()) session_lock_ = std::string(name);
  }
  // One inside another's arguments is refused rather than followed.
  if (name == "set_config" && set_config_.open) has_lasting_set_config_ = true;
  if (name == "set_config" && !set_config_.open) {
    set_config_ = SetConfig();
    set_config_.open = true;
  }
}

void Words::FollowSetConfig(const Token& token) {
  SetConfig& call = set_config_;
  if (!call.open) return;
  const char symbol = Symbol(token);
  if (call.depth == 0) {
    // A mere name, not a call.
    if (symbol != '(') {
      call.open = false;
      return;
    }
    call.depth = 1;
    return;
  }
  if (symbol == '(') ++call.depth;
  if (symbol == ')' && --call.depth == 0) {
    const bool local = call.commas == 2 && call.true_last && (call.tokens == 1 || (call.named && call.tokens == 4));
    if (!local) has_lasting_set_config_ = true;
    call.open = false;
    return;
  }
  if (symbol == ',' && call.depth == 1) {
    ++call.commas;
    call.tokens = 0;
    call.named = false;
    return;
  }
  ++call.tokens;
  call.true_last = IsWord(text_, token, "true");
  if (IsWord(text_, token, "is_local")) call.named = true;
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
