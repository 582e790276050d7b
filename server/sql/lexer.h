#ifndef SLUICE_SERVER_SQL_LEXER_H_
#define SLUICE_SERVER_SQL_LEXER_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace sluice::sql {

enum class TokenKind {
  kEnd,
  kError,             // Lexer::error() says what is wrong
  kIdentifier,        // also keywords
  kQuotedIdentifier,  // "..." and U&"..."
  kString,            // '...', E'...', B'...', X'...', U&'...', $tag$...$tag$, with its continuations
  kNumber,
  kParameter,  // $1
  kSymbol,     // one byte of anything else; or two dots
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  // [begin, end) in bytes of the text.
  size_t begin = 0;
  size_t end = 0;
  // Of a kParameter; past INT32_MAX it stays INT32_MAX, which no list of parameters reaches.
  int32_t number = 0;
};

// Splits SQL into tokens exactly where PostgreSQL's own lexer (scan.l) does, as far as
// that decides what is a string, a comment or a parameter: a binder that sees a $1
// where PostgreSQL sees a string, or the reverse, is an injection. Operators come byte
// by byte, since PostgreSQL ends them at the first -- or /* anyway.
//
// Where servers differ by version, the lexer refuses what any of them might read
// differently. Works on bytes: in UTF-8 no ASCII byte hides in another character. The
// text must have no NUL and outlive the lexer. O(size), no allocation.
class Lexer {
 public:
  // `standard_conforming_strings` as the server reports it: when off, a backslash
  // escapes in plain '...' too.
  Lexer(absl::string_view text, bool standard_conforming_strings)
      : text_(text), standard_conforming_strings_(standard_conforming_strings) {}

  Token Next();

  // After a kError: what is wrong.
  const char* error() const { return error_; }
  // Whether a string so far would read differently under the other setting of
  // standard_conforming_strings.
  bool depends_on_string_setting() const { return depends_on_string_setting_; }

 private:
  char At(size_t position) const { return position < text_.size() ? text_[position] : '\0'; }
  bool SkipSpaceAndComments();
  bool SkipBlockComment();
  Token Make(TokenKind kind, size_t begin) const;
  Token Fail(const char* error);

  enum class Escapes { kNone, kDoubledQuote, kBackslash };
  Token String(size_t begin, size_t quote, Escapes escapes);
  Token PlainString(size_t begin, size_t quote);
  bool SkipQuoted(Escapes escapes);
  bool SkipToContinuation();
  Token QuotedIdentifier(size_t begin, size_t quote);
  Token Identifier();
  Token Number();
  Token Dollar();

  const absl::string_view text_;
  const bool standard_conforming_strings_;
  size_t position_ = 0;
  bool depends_on_string_setting_ = false;
  const char* error_ = "";
};

// Whether an identifier token is this keyword, given in lower case.
bool IsWord(absl::string_view text, const Token& token, absl::string_view word);

}  // namespace sluice::sql

#endif  // SLUICE_SERVER_SQL_LEXER_H_
