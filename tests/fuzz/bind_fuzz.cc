// libFuzzer: the binder on arbitrary statements and values. The structure of the bound text
// must depend on the template alone (docs/binding.md, S1): bound with other values of the
// same kinds, it has the same tokens.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "server/codec/bind.h"
#include "server/sql/lexer.h"

namespace {

using sluice::codec::Bind;
using sluice::codec::BindLimits;
using sluice::sql::TokenKind;

std::vector<TokenKind> Tokens(const std::string& text) {
  std::vector<TokenKind> kinds;
  sluice::sql::Lexer lexer(text, true);
  for (;;) {
    const sluice::sql::Token token = lexer.Next();
    kinds.push_back(token.kind);
    if (token.kind == TokenKind::kError || token.kind == TokenKind::kEnd) return kinds;
  }
}

}  // namespace

// The input: a statement, a NUL, and values of one kind each, with NULs between them.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const size_t split = input.find('\0');
  sluice::v1::Statement hostile, harmless;
  hostile.set_sql(input.substr(0, split));
  harmless.set_sql(hostile.sql());
  size_t begin = split;
  while (begin != std::string::npos && hostile.params_size() < 20) {
    const size_t end = input.find('\0', begin + 1);
    const std::string value = input.substr(begin + 1, end == std::string::npos ? end : end - begin - 1);
    sluice::v1::Value* out = hostile.add_params();
    sluice::v1::Value* plain = harmless.add_params();
    switch (hostile.params_size() % 4) {
      case 1: out->set_text_value(value), plain->set_text_value("x"); break;
      case 2: out->set_bytes_value(value), plain->set_bytes_value("x"); break;
      case 3:
        out->mutable_array_value()->add_elements()->set_text_value(value);
        plain->mutable_array_value()->add_elements()->set_text_value("x");
        break;
      default: out->set_json_value(value), plain->set_json_value("1"); break;
    }
    begin = end;
  }
  sluice::sql::StatementBook book;
  const auto bound = Bind(hostile, BindLimits(), &book);
  const auto reference = Bind(harmless, BindLimits(), &book);
  if (bound.ok() && (!reference.ok() || Tokens(bound->text) != Tokens(reference->text))) std::abort();
  return 0;
}
