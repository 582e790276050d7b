#include "client/cli/terminal.h"

#include <wchar.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace sluice::cli {

std::string Printable(absl::string_view text) {
  std::string printable;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (byte == '\n') {
      printable += "\\n";
    } else if (byte == '\r') {
      printable += "\\r";
    } else if (byte == '\t') {
      printable += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&printable, "\\x%02x", byte);
    } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
      // U+0080 to U+009F: some terminals know them as escape sequences.
      absl::StrAppendFormat(&printable, "\\x%02x", next);
      ++i;
    } else {
      printable += text[i];
    }
  }
  return printable;
}

std::string PrintableLines(absl::string_view text) {
  return absl::StrJoin(absl::StrSplit(text, '\n'), "\n",
                       [](std::string* out, absl::string_view line) { *out += Printable(line); });
}

namespace {

// The cells of the first characters that fit into `cells`, and how many bytes those are.
std::pair<size_t, size_t> Measure(absl::string_view text, size_t cells) {
  std::mbstate_t state = {};
  size_t width = 0, i = 0;
  while (i < text.size()) {
    wchar_t character = 0;
    size_t length = std::mbrtowc(&character, text.data() + i, text.size() - i, &state);
    size_t of_character = 1;
    if (length == 0 || length > text.size()) {
      length = 1;
      state = {};
    } else {
      of_character = static_cast<size_t>(std::max(wcwidth(character), 0));
    }
    if (width + of_character > cells) break;
    width += of_character;
    i += length;
  }
  return {width, i};
}

}  // namespace

size_t Width(absl::string_view text) { return Measure(text, std::string::npos).first; }

std::string FirstCells(absl::string_view text, size_t cells) {
  return std::string(text.substr(0, Measure(text, cells).second));
}

}  // namespace sluice::cli
