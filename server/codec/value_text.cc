#include "server/codec/value_text.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/codec/type_name.h"

namespace sluice::codec {
namespace {

constexpr int kArrayElementsMax = 100000;

// SQLSTATEs that PostgreSQL's own input functions would give.
constexpr char kInvalidText[] = "22P02";
constexpr char kOutOfRange[] = "22008";

// [+-]digits[.digits][e[+-]digits] with a digit before the exponent, NaN, [+-]Infinity
bool IsNumeric(absl::string_view text) {
  if (text == "NaN") return true;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
  if (text == "Infinity") return true;
  const auto take_digits = [&text] {
    size_t count = 0;
    while (count < text.size() && absl::ascii_isdigit(text[count])) ++count;
    text.remove_prefix(count);
    return count;
  };
  size_t digits = take_digits();
  if (absl::ConsumePrefix(&text, ".")) digits += take_digits();
  if (digits == 0) return false;
  if (text.empty()) return true;
  if (absl::ascii_tolower(text.front()) != 'e') return false;
  text.remove_prefix(1);
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
  return take_digits() > 0 && text.empty();
}

// 8-4-4-4-12 hexadecimal digits.
bool IsUuid(absl::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    if (hyphen ? text[i] != '-' : !absl::ascii_isxdigit(text[i])) return false;
  }
  return true;
}

// Always with its offset, as a plain one would be read in the session's TimeZone.
absl::StatusOr<std::string> TimestampText(const google::protobuf::Timestamp& value, int index) {
  constexpr int64_t kYear1 = -62135596800, kYear10000 = 253402300800;
  if (value.seconds() < kYear1 || value.seconds() >= kYear10000) {
    return errors::ParameterInvalid(index, "timestamp_value is not in the years 1 to 9999; send it as text",
                                    kOutOfRange);
  }
  if (value.nanos() < 0 || value.nanos() > 999999999) {
    return errors::ParameterInvalid(index, "timestamp_value.nanos is not in 0 to 999,999,999", kOutOfRange);
  }
  const absl::Time time = absl::FromUnixSeconds(value.seconds());
  return absl::StrCat(absl::FormatTime("%E4Y-%m-%d %H:%M:%S", time, absl::UTCTimeZone()),
                      absl::StrFormat(".%06d+00", value.nanos() / 1000));
}

std::string BuiltIn(absl::string_view name) { return absl::StrCat("pg_catalog.\"", name, "\""); }

// Builds PostgreSQL's array text, {"a",NULL,{...}}, checking its shape on the way.
class ArrayWriter {
 public:
  // A box has commas of its own: its arrays are the only ones with another delimiter.
  ArrayWriter(int index, absl::string_view element_type)
      : index_(index), delimiter_(element_type == "box" ? ';' : ',') {}

  absl::Status Append(const v1::ArrayValue& array, size_t depth) {
    RETURN_IF_ERROR(CheckLength(array, depth));
    text_ += '{';
    bool first = true;
    for (const v1::Value& element : array.elements()) {
      if (!first) text_ += delimiter_;
      first = false;
      RETURN_IF_ERROR(AppendElement(element, depth));
    }
    text_ += '}';
    return absl::OkStatus();
  }

  // {{},{}} is written {} in PostgreSQL.
  std::string TakeText() { return leaf_depth_.has_value() ? std::move(text_) : "{}"; }
  // Of the elements, as their kind implies it; empty if they do not tell.
  const std::string& element_type() const { return element_type_; }

 private:
  static constexpr char kMixedDepths[] = "arrays and plain values beside each other";

  // PostgreSQL's arrays are rectangular, of at most 6 dimensions.
  absl::Status CheckLength(const v1::ArrayValue& array, size_t depth) {
    constexpr size_t kDimensionsMax = 6;
    elements_ += array.elements_size();
    if (elements_ > kArrayElementsMax) {
      return errors::RequestTooLarge(absl::StrCat("statement.params[", index_ - 1, "].array_value"), kArrayElementsMax,
                                     elements_, "elements");
    }
    if (depth >= kDimensionsMax) return Invalid("more than 6 dimensions");
    if (leaf_depth_.has_value() && depth > *leaf_depth_) return Invalid(kMixedDepths);
    if (depth == lengths_.size()) lengths_.push_back(array.elements_size());
    if (lengths_[depth] != array.elements_size()) return Invalid("inner arrays of different lengths");
    return absl::OkStatus();
  }

  absl::Status AppendElement(const v1::Value& element, size_t depth) {
    if (!element.type_name().empty()) return Invalid("an element has a type_name; set element_type");
    if (element.kind_case() == v1::Value::kArrayValue) {
      if (!element.array_value().element_type().empty()) return Invalid("only the outermost array has an element_type");
      return Append(element.array_value(), depth + 1);
    }
    ASSIGN_OR_RETURN(const ValueText value, TextOf(element, index_));
    if (!leaf_depth_.has_value()) leaf_depth_ = lengths_.size() - 1;
    if (depth != *leaf_depth_) return Invalid(kMixedDepths);
    if (value.is_null) {
      text_ += "NULL";
      return absl::OkStatus();
    }
    if (kind_ == v1::Value::KIND_NOT_SET) kind_ = element.kind_case();
    if (kind_ != element.kind_case()) return Invalid("elements of different kinds");
    element_type_ = value.type.empty() ? BuiltIn("text") : value.type;
    text_ += '"';
    for (const char c : value.text) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
    return absl::OkStatus();
  }

  absl::Status Invalid(absl::string_view why) const {
    return errors::ParameterInvalid(index_, absl::StrCat("array_value: ", why), kInvalidText);
  }

  const int index_;
  const char delimiter_;
  std::string text_;
  std::string element_type_;
  v1::Value::KindCase kind_ = v1::Value::KIND_NOT_SET;
  std::vector<int> lengths_;
  // Where the plain values are: all at one depth.
  std::optional<size_t> leaf_depth_;
  int64_t elements_ = 0;
};

// pg_catalog."int4" -> pg_catalog."_int4"
std::string ArrayOf(absl::string_view element_type) {
  constexpr absl::string_view kPrefix = "pg_catalog.\"";
  return absl::StrCat(kPrefix, "_", element_type.substr(kPrefix.size()));
}

absl::StatusOr<ValueText> ArrayText(const v1::Value& value, int index) {
  const v1::ArrayValue& array = value.array_value();
  ArrayWriter writer(index, array.element_type());
  RETURN_IF_ERROR(writer.Append(array, 0));
  ValueText result;
  if (!array.element_type().empty()) {
    absl::StatusOr<std::string> type = RenderTypeName(absl::StrCat(array.element_type(), "[]"));
    if (!type.ok()) return errors::ParameterInvalid(index, type.status().message(), "42704");
    result.type = *std::move(type);
  } else if (!writer.element_type().empty()) {
    result.type = ArrayOf(writer.element_type());
  } else if (value.type_name().empty()) {
    return errors::ParameterInvalid(index, "array_value: the elements do not tell their type; set element_type",
                                    "42P18");
  }
  result.text = writer.TakeText();
  return result;
}

}  // namespace

// Never by printf, which knows locales.
std::string DoubleText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char buffer[32];
  const std::to_chars_result end = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, end.ptr);
}

absl::StatusOr<ValueText> TextOf(const v1::Value& value, int index) {
  switch (value.kind_case()) {
    case v1::Value::kNullValue: return ValueText{"", true, ""};
    case v1::Value::kBoolValue: return ValueText{value.bool_value() ? "t" : "f", false, BuiltIn("bool")};
    case v1::Value::kInt32Value: return ValueText{absl::StrCat(value.int32_value()), false, BuiltIn("int4")};
    case v1::Value::kInt64Value: return ValueText{absl::StrCat(value.int64_value()), false, BuiltIn("int8")};
    case v1::Value::kDoubleValue: return ValueText{DoubleText(value.double_value()), false, BuiltIn("float8")};
    case v1::Value::kTextValue: return ValueText{value.text_value(), false, ""};
    case v1::Value::kBytesValue:
      return ValueText{absl::StrCat("\\x", absl::BytesToHexString(value.bytes_value())), false, BuiltIn("bytea")};
    case v1::Value::kNumericValue:
      if (!IsNumeric(value.numeric_value())) {
        return errors::ParameterInvalid(index, "numeric_value is not a decimal number", kInvalidText);
      }
      return ValueText{value.numeric_value(), false, BuiltIn("numeric")};
    case v1::Value::kTimestampValue: {
      ASSIGN_OR_RETURN(std::string text, TimestampText(value.timestamp_value(), index));
      return ValueText{std::move(text), false, BuiltIn("timestamptz")};
    }
    case v1::Value::kUuidValue:
      if (!IsUuid(value.uuid_value())) {
        return errors::ParameterInvalid(index, "uuid_value is not of the form 8-4-4-4-12 hex digits", kInvalidText);
      }
      return ValueText{value.uuid_value(), false, BuiltIn("uuid")};
    case v1::Value::kJsonValue: return ValueText{value.json_value(), false, BuiltIn("jsonb")};
    case v1::Value::kArrayValue: return ArrayText(value, index);
    case v1::Value::KIND_NOT_SET: break;
  }
  return errors::ParameterInvalid(index, "no kind is set; send null_value for NULL", "42P02");
}

}  // namespace sluice::codec
