#include "server/codec/column_writer.h"

#include <charconv>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "server/base/utf8.h"
#include "server/codec/array_json.h"
#include "server/codec/time_text.h"

namespace sluice::codec {
namespace {

template <typename Number>
bool ParseNumber(absl::string_view text, Number* number) {
  const char* end = text.data() + text.size();
  const std::from_chars_result parsed = std::from_chars(text.data(), end, *number);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

// bytea_output = hex, or the older escape: \\ and \ooo.
bool DecodeBytea(absl::string_view text, std::string* bytes) {
  if (absl::StartsWith(text, "\\x")) {
    text.remove_prefix(2);
    if (text.size() % 2 != 0) return false;
    *bytes = absl::HexStringToBytes(text);
    return true;
  }
  const auto is_octal = [&text](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '7'; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      *bytes += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '\\') {
      *bytes += '\\';
      ++i;
    } else if (is_octal(i + 1) && is_octal(i + 2) && is_octal(i + 3)) {
      *bytes += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      return false;
    }
  }
  return true;
}

bool IsUtf8(absl::string_view text) { return !FindInvalidUtf8(text).has_value(); }

template <typename Number, typename Field>
bool AppendNumber(absl::string_view text, Field* field) {
  Number number = 0;
  const bool parsed = ParseNumber(text, &number);
  field->Add(number);
  return parsed;
}

}  // namespace

v1::ColumnKind KindInReply(v1::ColumnKind kind, bool timestamps_as_text) {
  const bool is_timestamp = kind == v1::COLUMN_KIND_TIMESTAMP || kind == v1::COLUMN_KIND_TIMESTAMPTZ;
  return is_timestamp && timestamps_as_text ? v1::COLUMN_KIND_TEXT : kind;
}

void DescribeColumn(const postgres::ColumnFacts& facts, const ColumnType& type, bool timestamps_as_text,
                    v1::Column* out) {
  out->set_name(WithoutInvalidUtf8(facts.name));
  out->set_kind(KindInReply(type.kind, timestamps_as_text));
  out->set_type_oid(facts.type_oid);
  out->set_type_name(type.name);
  out->set_type_modifier(facts.type_modifier);
  out->set_table_oid(facts.table_oid);
  out->set_table_column(facts.table_column);
}

bool ColumnWriter::Append(absl::string_view text) {
  switch (type_.kind) {
    case v1::COLUMN_KIND_BOOL: data_.add_bools(text == "t"); return text == "t" || text == "f";
    case v1::COLUMN_KIND_INT32: return AppendNumber<int32_t>(text, data_.mutable_int32s());
    case v1::COLUMN_KIND_INT64: return AppendNumber<int64_t>(text, data_.mutable_int64s());
    case v1::COLUMN_KIND_DOUBLE: return AppendNumber<double>(text, data_.mutable_doubles());
    case v1::COLUMN_KIND_BYTES:
      if (type_.form_is_raw) {
        data_.add_blobs(text.data(), text.size());
        return true;
      }
      return DecodeBytea(text, data_.add_blobs());
    case v1::COLUMN_KIND_TIMESTAMP:
    case v1::COLUMN_KIND_TIMESTAMPTZ: return AppendTimestamp(text);
    case v1::COLUMN_KIND_INTERVAL: return IntervalToIso8601(text, data_.add_texts());
    case v1::COLUMN_KIND_DATE: return IsIsoDate(text) && AppendText(text);
    case v1::COLUMN_KIND_ARRAY:
      return IsUtf8(text) && AppendArrayAsJson(text, type_.elements, type_.delimiter, data_.add_texts());
    default: return IsUtf8(text) && AppendText(text);
  }
}

void ColumnWriter::AppendNull() {
  switch (type_.kind) {
    case v1::COLUMN_KIND_BOOL: data_.add_bools(false); break;
    case v1::COLUMN_KIND_INT32: data_.add_int32s(0); break;
    case v1::COLUMN_KIND_INT64: data_.add_int64s(0); break;
    case v1::COLUMN_KIND_DOUBLE: data_.add_doubles(0); break;
    case v1::COLUMN_KIND_BYTES: data_.add_blobs(); break;
    case v1::COLUMN_KIND_TIMESTAMP:
    case v1::COLUMN_KIND_TIMESTAMPTZ:
      if (!as_text_) {
        data_.add_int64s(0);
        break;
      }
      [[fallthrough]];
    default: data_.add_texts();
  }
}

bool ColumnWriter::AppendText(absl::string_view text) {
  data_.add_texts(text.data(), text.size());
  return true;
}

bool ColumnWriter::AppendTimestamp(absl::string_view text) {
  int64_t microseconds = 0;
  if (!ParseTimestamp(text, &microseconds)) return false;
  if (as_text_) {
    *data_.add_texts() = FormatTimestamp(text, microseconds, type_.kind == v1::COLUMN_KIND_TIMESTAMPTZ);
  } else {
    data_.add_int64s(microseconds);
  }
  return true;
}

}  // namespace sluice::codec
