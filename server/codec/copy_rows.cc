#include "server/codec/copy_rows.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/codec/time_text.h"
#include "server/codec/value_text.h"

namespace sluice::codec {
namespace {

using Json = nlohmann::json;

// As COPY reads it: these would end a value or a row, or begin an escape.
void AppendEscaped(absl::string_view text, std::string* out) {
  size_t copied = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char escape = c == '\\' ? '\\' : c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : '\0';
    if (escape == '\0') continue;
    out->append(text.data() + copied, i - copied);
    *out += '\\';
    *out += escape;
    copied = i + 1;
  }
  out->append(text.data() + copied, text.size() - copied);
}

// How many values a column has, in the array that its kind names.
int CountOf(const v1::ColumnData& data, v1::ColumnKind kind) {
  switch (kind) {
    case v1::COLUMN_KIND_BOOL: return data.bools_size();
    case v1::COLUMN_KIND_INT32: return data.int32s_size();
    case v1::COLUMN_KIND_INT64:
    case v1::COLUMN_KIND_TIMESTAMP:
    case v1::COLUMN_KIND_TIMESTAMPTZ: return data.int64s_size();
    case v1::COLUMN_KIND_DOUBLE: return data.doubles_size();
    case v1::COLUMN_KIND_BYTES: return data.blobs_size();
    default: return data.texts_size();
  }
}

// False if the value is not of its kind.
bool AppendValue(const v1::ColumnData& data, v1::ColumnKind kind, int row, std::string* out) {
  switch (kind) {
    case v1::COLUMN_KIND_BOOL: *out += data.bools(row) ? 't' : 'f'; return true;
    case v1::COLUMN_KIND_INT32: absl::StrAppend(out, data.int32s(row)); return true;
    case v1::COLUMN_KIND_INT64: absl::StrAppend(out, data.int64s(row)); return true;
    case v1::COLUMN_KIND_DOUBLE: *out += DoubleText(data.doubles(row)); return true;
    case v1::COLUMN_KIND_TIMESTAMP: *out += TimestampText(data.int64s(row), /*zone=*/false); return true;
    case v1::COLUMN_KIND_TIMESTAMPTZ: *out += TimestampText(data.int64s(row), /*zone=*/true); return true;
    case v1::COLUMN_KIND_BYTES: absl::StrAppend(out, "\\\\x", absl::BytesToHexString(data.blobs(row))); return true;
    case v1::COLUMN_KIND_ARRAY: {
      std::string text;
      if (!JsonToArrayText(data.texts(row), &text)) return false;
      AppendEscaped(text, out);
      return true;
    }
    default: AppendEscaped(data.texts(row), out); return true;
  }
}

std::string FieldOf(int column) { return absl::StrCat("rows.columns[", column, "]"); }

absl::Status CheckShape(const v1::RowBatch& batch, const std::vector<v1::ColumnKind>& kinds) {
  const int columns = static_cast<int>(kinds.size());
  if (batch.columns_size() != columns) {
    return errors::InvalidField("rows.columns", absl::StrCat("the header announces ", columns, " columns (kinds), and ",
                                                             batch.columns_size(), " came"));
  }
  for (int i = 0; i < columns; ++i) {
    const v1::ColumnData& data = batch.columns(i);
    const auto rows = static_cast<int>(batch.row_count());
    if (CountOf(data, kinds[i]) != rows) {
      return errors::InvalidField(FieldOf(i), absl::StrCat("the array of its kind has ", CountOf(data, kinds[i]),
                                                           " entries for ", rows, " rows"));
    }
    if (data.nulls_size() != 0 && data.nulls_size() != rows) {
      return errors::InvalidField(FieldOf(i),
                                  absl::StrCat("nulls has ", data.nulls_size(), " entries for ", rows, " rows"));
    }
  }
  return absl::OkStatus();
}

void AppendJson(const Json& json, std::string* text) {
  if (json.is_array()) {
    *text += '{';
    for (size_t i = 0; i < json.size(); ++i) {
      if (i > 0) *text += ',';
      AppendJson(json[i], text);
    }
    *text += '}';
  } else if (json.is_null()) {
    *text += "NULL";
  } else if (json.is_string()) {
    *text += '"';
    for (const char c : json.get_ref<const std::string&>()) {
      if (c == '"' || c == '\\') *text += '\\';
      *text += c;
    }
    *text += '"';
  } else {
    *text += json.dump();
  }
}

// Not deeper than PostgreSQL's arrays can be, nor with an object in it.
bool IsArray(const Json& json, int dimensions_left) {
  if (!json.is_array() || dimensions_left == 0) return false;
  for (const Json& element : json) {
    if (element.is_structured() && !IsArray(element, dimensions_left - 1)) return false;
  }
  return true;
}

}  // namespace

bool JsonToArrayText(const std::string& json, std::string* text) {
  constexpr int kDimensionsMax = 6;
  const Json parsed = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!IsArray(parsed, kDimensionsMax)) return false;
  AppendJson(parsed, text);
  return true;
}

absl::StatusOr<CopyRowWriter> CopyRowWriter::Of(std::vector<v1::ColumnKind> kinds) {
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (v1::ColumnKind_IsValid(kinds[i]) && kinds[i] != v1::COLUMN_KIND_UNSPECIFIED) continue;
    return errors::InvalidField(absl::StrCat("header.kinds[", i, "]"), "not a kind that this gateway knows");
  }
  return CopyRowWriter(std::move(kinds));
}

absl::Status CopyRowWriter::Check(const v1::RowBatch& batch) const {
  constexpr uint32_t kRowsMax = 1 << 28;  // what a batch can have at all
  if (batch.row_count() > kRowsMax) return errors::InvalidField("rows.row_count", "more than a batch can have");
  return CheckShape(batch, kinds_);
}

absl::StatusOr<int> CopyRowWriter::Append(const v1::RowBatch& batch, int row, size_t bytes_max,
                                          std::string* out) const {
  const int rows = static_cast<int>(batch.row_count());
  for (; row < rows && out->size() < bytes_max; ++row) {
    for (int i = 0; i < batch.columns_size(); ++i) {
      const v1::ColumnData& data = batch.columns(i);
      if (i > 0) *out += '\t';
      if (data.nulls_size() > 0 && data.nulls(row)) {
        *out += "\\N";
      } else if (!AppendValue(data, kinds_[i], row, out)) {
        return errors::InvalidField(absl::StrCat(FieldOf(i), ".texts[", row, "]"), "not a JSON array of plain values");
      }
    }
    *out += '\n';
  }
  return row;
}

}  // namespace sluice::codec
