#ifndef SLUICE_CLIENT_CLI_LINE_EDITOR_H_
#define SLUICE_CLIENT_CLI_LINE_EDITOR_H_

#include <memory>
#include <string>

#include "client/cli/interrupts.h"

namespace sluice::cli {

// Where the shell's lines come from.
class LineEditor {
 public:
  enum class Got {
    kLine,
    kEnd,         // end of file, Ctrl-D
    kInterrupted  // Ctrl-C
  };

  virtual ~LineEditor() = default;
  // Without its end of line.
  virtual Got Read(const std::string& prompt, std::string* line) = 0;
  // For Up and Ctrl-R, now and the next time.
  virtual void Remember(const std::string& statement) = 0;
};

// Of a terminal, with editing as ~/.editrc says, and a history in ~/.sluice_history (SLUICE_HISTORY names another file;
// empty: none is kept).
// `interrupts` must outlive it.
std::unique_ptr<LineEditor> TerminalLines(const Interrupts* interrupts);
// Of a script in standard input.
std::unique_ptr<LineEditor> ScriptLines();

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_LINE_EDITOR_H_
