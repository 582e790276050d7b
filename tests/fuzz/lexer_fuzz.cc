// libFuzzer: the lexer on arbitrary bytes. It must end, stay within the text, and its
// tokens must be in order and not overlap; what the binder relies on.

#include <cstdint>
#include <cstdlib>

#include "server/sql/lexer.h"
#include "server/sql/statement.h"

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

void LexToTheEnd(absl::string_view text, bool conforming) {
  sluice::sql::Lexer lexer(text, conforming);
  size_t behind = 0;
  for (;;) {
    const sluice::sql::Token token = lexer.Next();
    if (token.kind == sluice::sql::TokenKind::kError || token.kind == sluice::sql::TokenKind::kEnd) return;
    Check(token.begin >= behind && token.end > token.begin && token.end <= text.size());
    behind = token.end;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find('\0') == absl::string_view::npos) {
    LexToTheEnd(text, true);
    LexToTheEnd(text, false);
  }
  (void)sluice::sql::ParseStatement(text, true);
  (void)sluice::sql::ParseStatement(text, false);
  return 0;
}
