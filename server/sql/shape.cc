#include "server/sql/shape.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/sql/lexer.h"

namespace sluice::sql {
namespace {

constexpr size_t kTextBytesMax = 1000;
// So that a text of megabytes holds nobody up.
constexpr size_t kReadBytesMax = 64 << 10;

bool IsValue(absl::string_view source, const Token& token) {
  for (const absl::string_view word : {"true", "false", "null"}) {
    if (IsWord(source, token, word)) return true;
  }
  return token.kind == TokenKind::kString || token.kind == TokenKind::kNumber || token.kind == TokenKind::kParameter;
}

// Writes tokens with one way of spacing them, whatever the statement's own.
class Writer {
 public:
  void Add(absl::string_view source, const Token& token) {
    if (IsValue(source, token)) return Put("?", /*glued=*/false);
    const absl::string_view word = source.substr(token.begin, token.end - token.begin);
    const bool is_symbol = token.kind == TokenKind::kSymbol;
    // Operators come byte by byte; a parenthesis may belong to a function.
    const bool goes_on = is_symbol && last_is_symbol_ && token.begin == end_;
    const bool opens = !last_is_symbol_ && (word == "(" || word == "[");
    Put(token.kind == TokenKind::kIdentifier ? absl::AsciiStrToLower(word) : std::string(word), goes_on || opens);
    last_is_symbol_ = is_symbol;
    end_ = token.end;
  }

  std::string Take() { return std::move(text_); }

 private:
  void Put(std::string word, bool glued) {
    static constexpr absl::string_view kNoSpaceBefore[] = {",", ")", "]", ".", ";", ":"};
    static constexpr absl::string_view kNoSpaceBehind[] = {"(", "[", ".", ":"};
    const auto is_one_of = [&word](const auto& symbols) {
      for (const absl::string_view symbol : symbols) {
        if (word == symbol) return true;
      }
      return false;
    };
    bool behind = text_.empty();
    for (const absl::string_view symbol : kNoSpaceBehind) behind |= absl::EndsWith(text_, symbol);
    if (!glued && !behind && !is_one_of(kNoSpaceBefore)) text_ += ' ';
    text_ += word;
    last_is_symbol_ = false;
    // "?, ?" is a list, and "(?), (?)" are rows: however many there are.
    for (const absl::string_view twice : {"?, ?", "(?), (?)"}) {
      if (absl::EndsWith(text_, twice)) text_.resize(text_.size() - twice.size() / 2 - 1);
    }
  }

  std::string text_;
  bool last_is_symbol_ = false;
  size_t end_ = 0;
};

// FNV-1a.
uint64_t HashOf(absl::string_view text) {
  uint64_t hash = 14695981039346656037ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

}  // namespace

Shape ShapeOf(absl::string_view statement) {
  const bool is_cut = statement.size() > kReadBytesMax;
  statement = statement.substr(0, kReadBytesMax);
  Lexer lexer(statement, /*standard_conforming_strings=*/true);
  Writer writer;
  for (Token token = lexer.Next(); token.kind != TokenKind::kEnd; token = lexer.Next()) {
    if (token.kind == TokenKind::kError && is_cut) break;
    if (token.kind == TokenKind::kError) return {"?", 0};
    writer.Add(statement, token);
  }
  // Another setting of standard_conforming_strings would end strings elsewhere.
  if (lexer.depends_on_string_setting()) return {"?", 0};
  Shape shape;
  shape.text = writer.Take();
  shape.fingerprint = HashOf(shape.text);
  if (shape.text.size() > kTextBytesMax) {
    size_t size = kTextBytesMax - 3;
    // Not in the middle of a character.
    while (size > 0 && (static_cast<unsigned char>(shape.text[size]) & 0xc0) == 0x80) --size;
    shape.text.resize(size);
    shape.text += "...";
  }
  return shape;
}

}  // namespace sluice::sql
