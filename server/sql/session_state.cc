#include "server/sql/session_state.h"

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/sql/functions.h"

namespace sluice::sql {
namespace {

using Set = absl::flat_hash_set<absl::string_view>;

constexpr char kUseBatch[] = "an atomic ExecuteBatch is a transaction";
constexpr char kUseSetLocal[] = "use SET LOCAL in an atomic ExecuteBatch, or ALTER ROLE ... SET for all calls";

absl::Status TemporaryObject() {
  return errors::SessionState("a temporary object",
                              "use CREATE TEMP TABLE ... ON COMMIT DROP in an atomic ExecuteBatch");
}

// In a string with escapes it can be spelled in ways of which none shows it.
bool MayNamePgTemp(absl::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  return absl::StrContains(lower, "pg_temp") || absl::StrContains(lower, '\\') || absl::StrContains(lower, "u&");
}

absl::Status AnotherRole() {
  return errors::TransactionControl("SET ROLE", "who runs a call is decided by its caller, not by its text");
}

absl::Status GatewaysSetting(absl::string_view name) {
  if (absl::EqualsIgnoreCase(name, "role") || absl::EqualsIgnoreCase(name, "session_authorization")) {
    return AnotherRole();
  }
  return errors::SessionState(absl::StrCat("SET LOCAL ", name),
                              "the gateway relies on it, or it outlives the call; format values in SQL (to_char)");
}

absl::Status CheckSet(const Words& words) {
  const absl::string_view scope = words.Head(1);
  const bool local = scope == "LOCAL";
  const absl::string_view name = local || scope == "SESSION" ? words.Head(2) : scope;
  if (name == "ROLE" || name == "AUTHORIZATION" || name == "SESSION_AUTHORIZATION" || (local && name == "SESSION")) {
    return AnotherRole();
  }
  // TRANSACTION, and the settings behind it: transaction_read_only = off would end the
  // guard of a read-only call. A name in U&"..." could be any of them.
  if (absl::StartsWith(name, "TRANSACTION") || name == "CHARACTERISTICS" || absl::StartsWith(name, "U&")) {
    return errors::TransactionControl("SET TRANSACTION", "use the call's transaction options");
  }
  if (scope == "CONSTRAINTS") return absl::OkStatus();
  if (!local) return errors::SessionState(absl::StrCat("SET ", name), kUseSetLocal);
  // As a name, or in a string.
  if (name == "SEARCH_PATH" || name == "SCHEMA") {
    if (MayNamePgTemp(words.text())) return TemporaryObject();
  }
  if (name == "NAMES" || IsGatewaysSetting(absl::AsciiStrToLower(name))) return GatewaysSetting(name);
  return absl::OkStatus();
}

// Statements that are refused by their first word alone.
absl::Status CheckFirstWord(const Words& words) {
  static const auto& transaction_control =
      *new Set{"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"};
  static const auto& session_state = *new absl::flat_hash_map<absl::string_view, absl::string_view>{
      {"RESET", kUseSetLocal},
      {"DISCARD", "the gateway looks after its sessions by itself"},
      {"LISTEN", "notifications need a session of their own, which no unary call has"},
      {"UNLISTEN", "notifications need a session of their own, which no unary call has"},
      {"PREPARE", "send the statement itself: its parameters are bound by the gateway"},
      {"EXECUTE", "send the statement itself: its parameters are bound by the gateway"},
      {"DEALLOCATE", "send the statement itself: its parameters are bound by the gateway"},
      {"LOAD", "use shared_preload_libraries or session_preload_libraries"}};
  const absl::string_view keyword = words.Head(0);
  if (transaction_control.contains(keyword)) return errors::TransactionControl(keyword, kUseBatch);
  if (keyword == "PREPARE" && words.Head(1) == "TRANSACTION") {
    return errors::TransactionControl("PREPARE TRANSACTION", kUseBatch);
  }
  auto refused = session_state.find(keyword);
  if (refused != session_state.end()) return errors::SessionState(keyword, refused->second);
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckLeavesNothingBehind(const Words& words) {
  RETURN_IF_ERROR(CheckFirstWord(words));
  const absl::string_view keyword = words.Head(0);
  if (words.has_escaped_call()) {
    return errors::SessionState("a call of U&\"...\" with escapes, as far as can be told,",
                                "write the function's name itself");
  }
  if (keyword == "SET") RETURN_IF_ERROR(CheckSet(words));
  if (words.has_pg_temp() && !words.has_on_commit_drop()) return TemporaryObject();
  if (words.has_create_temp() && !words.has_on_commit_drop()) return TemporaryObject();
  if (keyword == "COPY" && words.has_client_copy()) return errors::CopyNotSupported();
  if (keyword == "DECLARE" && words.has_with_hold()) {
    return errors::SessionState("a cursor WITH HOLD", "declare it without hold in an atomic ExecuteBatch");
  }
  // Its rows would come in a form that nobody has asked for.
  if (keyword == "DECLARE" && words.has_binary_cursor()) return errors::BinaryNotSupported();
  if (words.has_into_temp()) {
    return errors::SessionState("SELECT INTO TEMP",
                                "use CREATE TEMP TABLE ... ON COMMIT DROP AS in an atomic ExecuteBatch");
  }
  if (words.session_function().has_value()) {
    const std::string& function = *words.session_function();
    const bool locks = absl::StartsWith(function, "pg_");
    return errors::SessionState(function, locks ? "use pg_advisory_xact_lock, which ends with the transaction"
                                                : "it needs a session of its own, which no call has");
  }
  if (words.set_config_of_gateways().has_value()) return GatewaysSetting(*words.set_config_of_gateways());
  if (words.has_set_config() && absl::StrContains(absl::AsciiStrToLower(words.text()), "pg_temp")) {
    return TemporaryObject();
  }
  // The view's rule sets what it is told, for the session.
  if (words.has_settings_update()) {
    return errors::SessionState("UPDATE pg_settings", kUseSetLocal);
  }
  if (words.has_lasting_set_config()) {
    return errors::SessionState("set_config that may last for the session",
                                "write the word true as its third argument: what is computed there is not known");
  }
  return absl::OkStatus();
}

}  // namespace sluice::sql
