#include "server/sql/lexer.h"

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace sluice::sql {
namespace {

// The character classes of scan.l. \v is a space from PostgreSQL 16 on and an error
// before, so it is safe to take it for a space.
bool IsNewline(char c) { return c == '\n' || c == '\r'; }
bool IsHorizontalSpace(char c) { return c == ' ' || c == '\t' || c == '\f' || c == '\v'; }
bool IsSpace(char c) { return IsHorizontalSpace(c) || IsNewline(c); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsIdentifierStart(char c) { return absl::ascii_isalpha(c) || c == '_' || (c & 0x80) != 0; }
bool IsTagPart(char c) { return IsIdentifierStart(c) || IsDigit(c); }
// `$` belongs to identifiers: a$1 has no parameter in it.
bool IsIdentifierPart(char c) { return IsTagPart(c) || c == '$'; }

}  // namespace

Token Lexer::Next() {
  if (!SkipSpaceAndComments()) return Fail("unterminated /* comment");
  const size_t begin = position_;
  if (begin >= text_.size()) return Make(TokenKind::kEnd, begin);

  const char c = text_[begin];
  const char next = At(begin + 1);
  switch (c) {
    case '\'': return PlainString(begin, begin);
    case '"': return QuotedIdentifier(begin, begin);
    case '$': return Dollar();
    case 'e':
    case 'E':
      if (next == '\'') return String(begin, begin + 1, Escapes::kBackslash);
      break;
    case 'n':
    case 'N':
      if (next == '\'') return PlainString(begin, begin + 1);
      break;
    case 'b':
    case 'B':
    case 'x':
    case 'X':
      if (next == '\'') return String(begin, begin + 1, Escapes::kNone);
      break;
    case 'u':
    case 'U':
      if (next == '&' && At(begin + 2) == '"') return QuotedIdentifier(begin, begin + 2);
      if (next == '&' && At(begin + 2) == '\'') {
        depends_on_string_setting_ = true;
        if (!standard_conforming_strings_) return Fail("U&'...' needs standard_conforming_strings");
        return String(begin, begin + 2, Escapes::kDoubledQuote);
      }
      break;
    default: break;
  }
  if (IsIdentifierStart(c)) return Identifier();
  if (IsDigit(c) || (c == '.' && IsDigit(next))) return Number();
  // 1..10 is 1, two dots and 10: the second dot does not begin the number .10.
  position_ += c == '.' && next == '.' ? 2 : 1;
  return Make(TokenKind::kSymbol, begin);
}

Token Lexer::Make(TokenKind kind, size_t begin) const {
  Token token;
  token.kind = kind;
  token.begin = begin;
  token.end = position_;
  return token;
}

Token Lexer::Fail(const char* error) {
  error_ = error;
  return Make(TokenKind::kError, position_);
}

// False if a block comment does not end.
bool Lexer::SkipSpaceAndComments() {
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (IsSpace(c)) {
      ++position_;
    } else if (c == '-' && At(position_ + 1) == '-') {
      while (position_ < text_.size() && !IsNewline(text_[position_])) ++position_;
    } else if (c == '/' && At(position_ + 1) == '*') {
      if (!SkipBlockComment()) return false;
    } else {
      return true;
    }
  }
  return true;
}

// Block comments nest, and `/*/` does not close itself.
bool Lexer::SkipBlockComment() {
  int depth = 0;
  const size_t begin = position_;
  while (position_ + 1 < text_.size()) {
    const char c = text_[position_];
    const char next = text_[position_ + 1];
    if (c == '/' && next == '*') {
      ++depth;
      position_ += 2;
    } else if (c == '*' && next == '/') {
      --depth;
      position_ += 2;
      if (depth == 0) return true;
    } else {
      ++position_;
    }
  }
  position_ = begin;
  return false;
}

// '...' and N'...': what a backslash means depends on the server.
Token Lexer::PlainString(size_t begin, size_t quote) {
  const bool conforming = standard_conforming_strings_;
  Token token = String(begin, quote, conforming ? Escapes::kDoubledQuote : Escapes::kBackslash);
  if (absl::StrContains(text_.substr(begin, token.end - begin), '\\')) depends_on_string_setting_ = true;
  return token;
}

// From the opening quote to the end of the last continuation.
Token Lexer::String(size_t begin, size_t quote, Escapes escapes) {
  position_ = quote;
  do {
    if (!SkipQuoted(escapes)) {
      position_ = begin;
      return Fail("unterminated quoted string");
    }
  } while (SkipToContinuation());
  return Make(TokenKind::kString, begin);
}

// From an opening quote past its closing one; false if there is none.
bool Lexer::SkipQuoted(Escapes escapes) {
  for (++position_; position_ < text_.size(); ++position_) {
    const char c = text_[position_];
    if (c == '\\' && escapes == Escapes::kBackslash) {
      ++position_;
    } else if (c == '\'') {
      const bool doubled = escapes != Escapes::kNone && At(position_ + 1) == '\'';
      ++position_;
      if (!doubled) return true;
    }
  }
  return false;
}

// A string goes on, in the same mode, after white space and -- comments with at least
// one newline among them. Moves to the next quote then, and nowhere otherwise.
bool Lexer::SkipToContinuation() {
  size_t p = position_;
  bool newline_seen = false;
  while (p < text_.size()) {
    const char c = text_[p];
    if (IsNewline(c)) {
      newline_seen = true;
      ++p;
    } else if (IsHorizontalSpace(c)) {
      ++p;
    } else if (c == '-' && At(p + 1) == '-') {
      while (p < text_.size() && !IsNewline(text_[p])) ++p;
      if (p == text_.size()) return false;
    } else {
      break;
    }
  }
  if (!newline_seen || At(p) != '\'') return false;
  position_ = p;
  return true;
}

Token Lexer::QuotedIdentifier(size_t begin, size_t quote) {
  for (size_t p = quote + 1; p < text_.size(); ++p) {
    if (text_[p] != '"') continue;
    if (At(p + 1) == '"') {
      ++p;
      continue;
    }
    position_ = p + 1;
    return Make(TokenKind::kQuotedIdentifier, begin);
  }
  return Fail("unterminated quoted identifier");
}

Token Lexer::Identifier() {
  const size_t begin = position_;
  while (position_ < text_.size() && IsIdentifierPart(text_[position_])) ++position_;
  return Make(TokenKind::kIdentifier, begin);
}

// The numbers of PostgreSQL 16 (0x1f, 1_000), which older servers refuse by themselves.
Token Lexer::Number() {
  const size_t begin = position_;
  auto skip_digits = [this](auto is_digit) {
    while (is_digit(At(position_)) || (At(position_) == '_' && is_digit(At(position_ + 1)))) ++position_;
  };
  const char base = At(begin) == '0' ? absl::ascii_tolower(At(begin + 1)) : '\0';
  if (base == 'x' || base == 'o' || base == 'b') {
    position_ += 2;
    skip_digits([](char c) { return absl::ascii_isxdigit(c); });
    if (position_ == begin + 2) position_ = begin + 1;
  } else {
    skip_digits(IsDigit);
    // Not in 1..10.
    if (At(position_) == '.' && At(position_ + 1) != '.') {
      ++position_;
      skip_digits(IsDigit);
    }
    if (absl::ascii_tolower(At(position_)) == 'e') {
      const size_t sign = At(position_ + 1) == '+' || At(position_ + 1) == '-' ? 1 : 0;
      if (IsDigit(At(position_ + 1 + sign))) {
        position_ += 1 + sign;
        skip_digits(IsDigit);
      }
    }
  }
  // Servers before 15 would split here, e.g. 1e'...' into 1 and a string with escapes.
  if (IsIdentifierStart(At(position_))) return Fail("trailing junk after numeric literal");
  if (At(position_) == '$') return Fail("trailing junk after numeric literal");
  return Make(TokenKind::kNumber, begin);
}

// $1, $tag$...$tag$, or a lone dollar sign.
Token Lexer::Dollar() {
  const size_t begin = position_;
  size_t p = begin + 1;
  if (IsDigit(At(p))) {
    int64_t number = 0;
    for (; IsDigit(At(p)); ++p) {
      number = number * 10 + (text_[p] - '0');
      if (number > std::numeric_limits<int32_t>::max()) number = std::numeric_limits<int32_t>::max();
    }
    if (IsIdentifierStart(At(p))) return Fail("trailing junk after parameter");
    position_ = p;
    Token token = Make(TokenKind::kParameter, begin);
    token.number = static_cast<int32_t>(number);
    return token;
  }
  if (IsIdentifierStart(At(p))) {
    while (IsTagPart(At(p))) ++p;
  }
  if (At(p) != '$') {
    ++position_;
    return Make(TokenKind::kSymbol, begin);
  }
  const absl::string_view tag = text_.substr(begin, p + 1 - begin);
  const size_t close = text_.find(tag, p + 1);
  if (close == absl::string_view::npos) return Fail("unterminated dollar-quoted string");
  position_ = close + tag.size();
  return Make(TokenKind::kString, begin);
}

bool IsWord(absl::string_view text, const Token& token, absl::string_view word) {
  return token.kind == TokenKind::kIdentifier && token.end - token.begin == word.size() &&
         absl::EqualsIgnoreCase(text.substr(token.begin, word.size()), word);
}

}  // namespace sluice::sql
