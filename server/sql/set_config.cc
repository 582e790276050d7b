#include "server/sql/set_config.h"

namespace sluice::sql {

void SetConfigCalls::Add(absl::string_view text, const Token& token, bool is_name) {
  if (!open_) {
    if (is_name) Begin();
    return;
  }
  // One inside another's arguments is refused rather than followed.
  if (is_name) has_lasting_ = true;
  const char symbol = token.kind == TokenKind::kSymbol ? text[token.begin] : '\0';
  if (depth_ == 0) {
    // Otherwise a mere name, not a call.
    open_ = symbol == '(';
    depth_ = 1;
    return;
  }
  if (symbol == '(') ++depth_;
  if (symbol == ')' && --depth_ == 0) {
    has_lasting_ |= !IsLocal();
    open_ = false;
    return;
  }
  if (symbol == ',' && depth_ == 1) {
    ++commas_;
    tokens_ = 0;
    named_ = false;
    return;
  }
  ++tokens_;
  true_last_ = IsWord(text, token, "true");
  if (IsWord(text, token, "is_local")) named_ = true;
}

void SetConfigCalls::Begin() {
  open_ = true;
  depth_ = commas_ = tokens_ = 0;
  true_last_ = named_ = false;
}

bool SetConfigCalls::IsLocal() const {
  return commas_ == 2 && true_last_ && (tokens_ == 1 || (named_ && tokens_ == 4));
}

}  // namespace sluice::sql
