#include "server/sql/set_config.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/sql/functions.h"

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
    const bool is_true = argument_ == "true" || argument_ == "is_local=>true" || argument_ == "is_local:=true";
    has_lasting_ |= commas_ != 2 || !is_true;
    open_ = false;
    return;
  }
  if (symbol == ',' && depth_ == 1) {
    ++commas_;
    argument_.clear();
    return;
  }
  AddArgument(text, token);
}

void SetConfigCalls::Begin() {
  open_ = true;
  depth_ = commas_ = 0;
  argument_.clear();
}

void SetConfigCalls::AddArgument(absl::string_view text, const Token& token) {
  // Longer than any that counts.
  constexpr size_t kArgumentMax = 100;
  if (argument_.size() > kArgumentMax) return;
  const std::string part =
      absl::AsciiStrToLower(text.substr(token.begin, std::min(token.end - token.begin, kArgumentMax)));
  absl::StrAppend(&argument_, part);
  if (commas_ > 0 || token.kind != TokenKind::kString || part.size() < 2 || gateways_setting_.has_value()) return;
  const std::string setting = part.substr(1, part.size() - 2);
  if (IsGatewaysSetting(setting)) gateways_setting_ = setting;
}

}  // namespace sluice::sql
