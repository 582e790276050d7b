#ifndef SLUICE_CLIENT_CLI_SHELL_INPUT_H_
#define SLUICE_CLIENT_CLI_SHELL_INPUT_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "sluice/v1/database.pb.h"

namespace sluice::cli {

// Cuts what is typed, line by line, into statements: at the semicolons at which PostgreSQL would end them. Each part is
// read once, however many lines a statement has.
class StatementSplitter {
 public:
  void AddLine(absl::string_view line);
  // The next statement with its semicolon; nullopt while it has no end.
  std::optional<std::string> Take();
  // What has no end yet.
  std::string Rest() const { return text_.substr(begin_); }
  bool is_blank() const { return !has_words_; }
  void Clear() { *this = StatementSplitter(); }

 private:
  void ReadWord(absl::string_view word);
  std::string CutAt(size_t end);

  std::string text_;
  size_t begin_ = 0;  // of the statement
  size_t read_ = 0;   // up to where it was read
  bool has_words_ = false;
  // The token that begins at read_ has no end: a string, a name in quotes or a comment, which only one of these ends.
  bool is_open_ = false;
  bool may_have_ended_ = true;
  int depth_ = 0;
  // CREATE FUNCTION ... BEGIN ATOMIC has statements of its own up to its END.
  bool creates_ = false, creates_routine_ = false;
  std::string last_word_;
  int body_ = 0;
};

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
