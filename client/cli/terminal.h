#ifndef SLUICE_CLIENT_CLI_TERMINAL_H_
#define SLUICE_CLIENT_CLI_TERMINAL_H_

// What others wrote (values, messages, names), on somebody's terminal.

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice::cli {

// In one line, and nothing in it that a terminal takes for a command: control characters are shown as
// escapes.
std::string Printable(absl::string_view text);

// The same, line by line.
std::string PrintableLines(absl::string_view text);

// Cells of a terminal that a text takes.
size_t Width(absl::string_view text);

// As much of a text as fits into so many cells.
std::string FirstCells(absl::string_view text, size_t cells);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_TERMINAL_H_
