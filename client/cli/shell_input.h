#ifndef SLUICE_CLIENT_CLI_SHELL_INPUT_H_
#define SLUICE_CLIENT_CLI_SHELL_INPUT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "sluice/v1/database.pb.h"

namespace sluice::cli {

// Takes the first statement off `text`, up to its semicolon, where PostgreSQL would find it; nullopt while it has no
// end. `text` keeps what is behind, without leading spaces.
std::optional<std::string> TakeStatement(std::string* text);

// Nothing but spaces and comments.
bool IsBlank(absl::string_view text);

// What a statement that is about transactions asks for, which is no matter of one call.
struct TransactionCommand {
  enum class Kind { kNone, kBegin, kCommit, kRollback, kSavepoint, kRelease, kRollbackTo };
  Kind kind = Kind::kNone;
  std::string savepoint;
  // Of a BEGIN.
  v1::TransactionOptions options;
};
TransactionCommand ReadTransactionCommand(absl::string_view statement);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_SHELL_INPUT_H_
