#include "server/sql/set_config.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/sql/functions.h"

namespace sluice::sql {
namespace {

// Of 'role', E'role', N'role', U&'role', $$role$$, $tag$role$tag$.
std::string WithoutQuotes(absl::string_view literal) {
  const size_t opening = literal.find_first_of("'$");
  if (opening == absl::string_view::npos) return "";
  const size_t behind = literal[opening] == '$' ? literal.find('$', opening + 1) : opening;
  if (behind == absl::string_view::npos) return "";
  const absl::string_view inside = literal.substr(behind + 1);
  return std::string(inside.substr(0, inside.find(literal[opening])));
}

// What it names is not seen: no name of a setting needs an escape. (UESCAPE may choose another one.)
bool HidesItsText(absl::string_view literal) {
  const bool has_escapes = absl::StartsWith(literal, "e'") && absl::StrContains(literal, "\\");
  return has_escapes || absl::StartsWith(literal, "u&'");
}

}  // namespace

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
  const std::string setting = WithoutQuotes(part);
  if (IsGatewaysSetting(setting) || HidesItsText(part)) gateways_setting_ = setting;
}

}  // namespace sluice::sql
