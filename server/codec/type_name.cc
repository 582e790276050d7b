#include "server/codec/type_name.h"

#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "server/base/utf8.h"
#include "server/codec/types.h"

namespace sluice::codec {
namespace {

constexpr size_t kTypeNameBytesMax = 256;

bool IsNameStart(char c) { return absl::ascii_isalpha(c) || c == '_' || (c & 0x80) != 0; }
bool IsNamePart(char c) { return IsNameStart(c) || absl::ascii_isdigit(c) || c == '$'; }

// Takes one identifier off the front, as PostgreSQL would store it.
std::optional<std::string> TakeIdentifier(absl::string_view* text) {
  if (text->empty()) return std::nullopt;
  if (text->front() != '"') {
    size_t end = 0;
    if (!IsNameStart(text->front())) return std::nullopt;
    while (end < text->size() && IsNamePart((*text)[end])) ++end;
    std::string name = absl::AsciiStrToLower(text->substr(0, end));
    text->remove_prefix(end);
    return name;
  }
  std::string name;
  for (size_t i = 1; i < text->size(); ++i) {
    if ((*text)[i] == '"') {
      const bool doubled = i + 1 < text->size() && (*text)[i + 1] == '"';
      if (!doubled) {
        text->remove_prefix(i + 1);
        if (name.empty()) return std::nullopt;
        return name;
      }
      ++i;
    }
    name += (*text)[i];
  }
  return std::nullopt;
}

std::string Quoted(absl::string_view identifier) {
  return absl::StrCat("\"", absl::StrReplaceAll(identifier, {{"\"", "\"\""}}), "\"");
}

absl::StatusOr<std::string> RenderBuiltIn(const Type& type, bool array) {
  if (array && type.array_oid == 0) return absl::InvalidArgumentError(absl::StrCat(type.name, " has no array type"));
  // Never bare: char and bit are keywords that mean char(1) and bit(1).
  return absl::StrCat("pg_catalog.", Quoted(absl::StrCat(array ? "_" : "", type.name)));
}

}  // namespace

absl::StatusOr<std::string> RenderTypeName(absl::string_view type_name) {
  if (type_name.size() > kTypeNameBytesMax || FindInvalidUtf8(type_name).has_value()) {
    return absl::InvalidArgumentError("type_name is too long, or not UTF-8");
  }
  absl::string_view rest = absl::StripAsciiWhitespace(type_name);
  const bool array = absl::EndsWith(rest, "[]");
  if (array) rest = absl::StripTrailingAsciiWhitespace(rest.substr(0, rest.size() - 2));

  if (rest == "\"char\"") return RenderBuiltIn(*FindType(18), array);
  if (const Type* type = FindTypeByName(absl::AsciiStrToLower(rest))) return RenderBuiltIn(*type, array);

  const std::optional<std::string> first = TakeIdentifier(&rest);
  if (first.has_value() && rest.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("type ", type_name, " is not built in: name its schema too, as in public.", type_name));
  }
  if (first.has_value() && absl::ConsumePrefix(&rest, ".")) {
    const std::optional<std::string> second = TakeIdentifier(&rest);
    if (second.has_value() && rest.empty()) {
      return absl::StrCat(Quoted(*first), ".", Quoted(*second), array ? "[]" : "");
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("not a type name: ", type_name));
}

}  // namespace sluice::codec
