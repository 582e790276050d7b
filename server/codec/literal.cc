#include "server/codec/literal.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/base/utf8.h"
#include "server/codec/type_name.h"
#include "server/codec/value_text.h"

namespace sluice::codec {
namespace {

// PostgreSQL itself fails past these with XX000.
constexpr size_t kTextBytesMax = 512u << 20;

// A string that no value can leave. Without a backslash a plain one; with one an E''
// string, where the backslash means the same under every server setting.
void AppendString(absl::string_view content, std::string* out) {
  const bool escapes = absl::StrContains(content, '\\');
  absl::StrAppend(out, escapes ? "E'" : "'");
  size_t done = 0;
  for (size_t i = 0; i < content.size(); ++i) {
    if (content[i] != '\'' && content[i] != '\\') continue;
    out->append(content.data() + done, i + 1 - done);
    out->push_back(content[i]);
    done = i + 1;
  }
  out->append(content.data() + done, content.size() - done);
  out->push_back('\'');
}

Literal Compose(absl::string_view content, bool is_null, absl::string_view type) {
  Literal literal;
  literal.text = "(";
  if (is_null) {
    literal.text += "NULL";
  } else {
    literal.string_begin = literal.text.size();
    AppendString(content, &literal.text);
    literal.string_end = literal.text.size();
  }
  if (!type.empty()) absl::StrAppend(&literal.text, "::", type);
  literal.text += ")";
  return literal;
}

}  // namespace

absl::StatusOr<Literal> RenderLiteral(const v1::Value& value, int index) {
  ASSIGN_OR_RETURN(ValueText content, TextOf(value, index));
  if (std::optional<size_t> bad = FindInvalidUtf8(content.text)) {
    return errors::ParameterInvalid(
        index, absl::StrCat(content.text[*bad] == '\0' ? "NUL byte" : "invalid UTF-8", " at byte ", *bad), "22021");
  }
  if (content.text.size() >= kTextBytesMax) {
    return errors::RequestTooLarge(absl::StrCat("statement.params[", index - 1, "]"), kTextBytesMax - 1,
                                   static_cast<int64_t>(content.text.size()), "bytes");
  }
  if (!value.type_name().empty()) {
    absl::StatusOr<std::string> type = RenderTypeName(value.type_name());
    if (!type.ok()) return errors::ParameterInvalid(index, type.status().message(), "42704");
    content.type = *std::move(type);
  }
  return Compose(content.text, content.is_null, content.type);
}

size_t LiteralSizeMax(const v1::Value& value) {
  // Escaping doubles at most; an array's element is escaped twice. bytea is two hex
  // digits a byte. 512 covers parentheses, numbers and a type name.
  constexpr size_t kFrame = 512;
  size_t size = kFrame + 2 * value.ByteSizeLong();
  if (value.kind_case() == v1::Value::kArrayValue) {
    size += 2 * value.ByteSizeLong() + 8 * static_cast<size_t>(value.array_value().elements_size());
  }
  return size;
}

}  // namespace sluice::codec
