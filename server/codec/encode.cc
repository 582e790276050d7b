#include "server/codec/encode.h"

#include <charconv>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
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

// One column of a result, written value by value into the array that its kind names.
class ColumnWriter {
 public:
  ColumnWriter(const ColumnType& type, const EncodeOptions& options, v1::ColumnData* data)
      : type_(type), as_text_(options.timestamps_as_text), data_(*data) {}

  // False if the text is not of the column's kind.
  bool Append(absl::string_view text) {
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

  // A placeholder where the value is NULL.
  void AppendNull() {
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

 private:
  bool AppendText(absl::string_view text) {
    data_.add_texts(text.data(), text.size());
    return true;
  }

  template <typename Number, typename Field>
  bool AppendNumber(absl::string_view text, Field* field) {
    Number number = 0;
    const bool parsed = ParseNumber(text, &number);
    field->Add(number);
    return parsed;
  }

  bool AppendTimestamp(absl::string_view text) {
    int64_t microseconds = 0;
    if (!ParseTimestamp(text, &microseconds)) return false;
    if (as_text_) {
      *data_.add_texts() = FormatTimestamp(text, microseconds, type_.kind == v1::COLUMN_KIND_TIMESTAMPTZ);
    } else {
      data_.add_int64s(microseconds);
    }
    return true;
  }

  const ColumnType& type_;
  const bool as_text_;
  v1::ColumnData& data_;
};

// At least so many bytes a value has in a reply.
int64_t SizeMin(v1::ColumnKind kind, absl::string_view text) {
  switch (kind) {
    case v1::COLUMN_KIND_BOOL:
    case v1::COLUMN_KIND_INT32:
    case v1::COLUMN_KIND_INT64:
    case v1::COLUMN_KIND_TIMESTAMP:
    case v1::COLUMN_KIND_TIMESTAMPTZ: return 1;
    case v1::COLUMN_KIND_DOUBLE: return sizeof(double);
    case v1::COLUMN_KIND_BYTES: return 2 + static_cast<int64_t>(text.size()) / 4;
    case v1::COLUMN_KIND_INTERVAL:
    case v1::COLUMN_KIND_ARRAY: return 2;
    default: return 2 + static_cast<int64_t>(text.size());
  }
}

enum class Encoded { kWell, kOfAnotherForm, kTooLarge };

// Takes what it needs from `bytes_left`.
Encoded EncodeColumn(const postgres::Result& result, int column, const ColumnType& type, const EncodeOptions& options,
                     int64_t* bytes_left, v1::ColumnData* data) {
  ColumnWriter writer(type, options, data);
  for (int row = 0; row < result.row_count(); ++row) {
    const std::optional<absl::string_view> value = result.Value(row, column);
    *bytes_left -= SizeMin(type.kind, value.value_or(""));
    if (*bytes_left < 0) return Encoded::kTooLarge;
    if (value.has_value()) {
      if (!writer.Append(*value)) return Encoded::kOfAnotherForm;
      continue;
    }
    writer.AppendNull();
    if (data->nulls().empty()) data->mutable_nulls()->Resize(result.row_count(), false);
    data->set_nulls(row, true);
  }
  return Encoded::kWell;
}

ColumnType RawBytes() {
  ColumnType type;
  type.kind = v1::COLUMN_KIND_BYTES;
  type.form_is_raw = true;
  return type;
}

bool IsTimestamp(v1::ColumnKind kind) {
  return kind == v1::COLUMN_KIND_TIMESTAMP || kind == v1::COLUMN_KIND_TIMESTAMPTZ;
}

}  // namespace

bool Encode(const postgres::Result& result, const std::vector<ColumnType>& types, const EncodeOptions& options,
            v1::ResultSet* out) {
  out->set_command(result.command());
  out->set_row_count(result.affected_count());
  if (result.column_count() == 0) return true;
  v1::RowBatch* rows = out->mutable_rows();
  rows->set_row_count(result.row_count());
  int64_t bytes_left = options.bytes_max;
  for (int i = 0; i < result.column_count(); ++i) {
    const postgres::ColumnFacts facts = result.column(i);
    v1::Column* column = out->add_columns();
    column->set_name(WithoutInvalidUtf8(facts.name));
    column->set_type_oid(facts.type_oid);
    column->set_type_name(types[i].name);
    column->set_type_modifier(facts.type_modifier);
    column->set_table_oid(facts.table_oid);
    column->set_table_column(facts.table_column);
    v1::ColumnData* data = rows->add_columns();
    // As its type has it; or as PostgreSQL wrote it; or, of another encoding (which a call may set
    // for itself), as bytes, since no string of Protobuf may hold it.
    const ColumnType forms[] = {types[i], ColumnType(), RawBytes()};
    for (const ColumnType& form : forms) {
      data->Clear();
      const bool is_text = IsTimestamp(form.kind) && options.timestamps_as_text;
      column->set_kind(is_text ? v1::COLUMN_KIND_TEXT : form.kind);
      const Encoded encoded = EncodeColumn(result, i, form, options, &bytes_left, data);
      if (encoded == Encoded::kTooLarge) return false;
      if (encoded == Encoded::kWell) break;
    }
  }
  return true;
}

}  // namespace sluice::codec
