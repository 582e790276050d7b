#include "client/cli/table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "client/cli/terminal.h"

namespace sluice::cli {
namespace {

bool IsNull(const v1::ColumnData& data, int row) { return row < data.nulls_size() && data.nulls(row); }

std::string TimestampText(int64_t microseconds, bool zone) {
  if (microseconds == std::numeric_limits<int64_t>::max()) return "infinity";
  if (microseconds == std::numeric_limits<int64_t>::min()) return "-infinity";
  const absl::CivilSecond civil = absl::ToCivilSecond(absl::FromUnixMicros(microseconds), absl::UTCTimeZone());
  if (civil.year() < 1) {
    // The year 0 is 1 BC.
    return absl::StrCat(absl::StrFormat("%04d", 1 - civil.year()),
                        absl::FormatTime(zone ? "-%m-%d %H:%M:%E*S+00" : "-%m-%d %H:%M:%E*S",
                                         absl::FromUnixMicros(microseconds), absl::UTCTimeZone()),
                        " BC");
  }
  return absl::FormatTime(zone ? "%E4Y-%m-%d %H:%M:%E*S+00" : "%E4Y-%m-%d %H:%M:%E*S",
                          absl::FromUnixMicros(microseconds), absl::UTCTimeZone());
}

// A value that is not NULL, as text.
std::string Text(const v1::Column& column, const v1::ColumnData& data, int row) {
  switch (column.kind()) {
    case v1::COLUMN_KIND_BOOL: return data.bools(row) ? "true" : "false";
    case v1::COLUMN_KIND_INT32: return absl::StrCat(data.int32s(row));
    case v1::COLUMN_KIND_INT64: return absl::StrCat(data.int64s(row));
    case v1::COLUMN_KIND_DOUBLE: {
      // The shortest form that reads back as the same bits.
      if (std::isfinite(data.doubles(row))) return nlohmann::json(data.doubles(row)).dump();
      if (std::isnan(data.doubles(row))) return "NaN";
      return data.doubles(row) > 0 ? "Infinity" : "-Infinity";
    }
    case v1::COLUMN_KIND_BYTES: return absl::StrCat("\\x", absl::BytesToHexString(data.blobs(row)));
    case v1::COLUMN_KIND_TIMESTAMP: return TimestampText(data.int64s(row), false);
    case v1::COLUMN_KIND_TIMESTAMPTZ: return TimestampText(data.int64s(row), true);
    default: return data.texts(row);
  }
}

bool IsNumber(v1::ColumnKind kind) {
  return kind == v1::COLUMN_KIND_INT32 || kind == v1::COLUMN_KIND_INT64 || kind == v1::COLUMN_KIND_DOUBLE ||
         kind == v1::COLUMN_KIND_NUMERIC;
}

// A value that is not NULL, as JSON text.
std::string JsonText(const v1::Column& column, const v1::ColumnData& data, int row) {
  using Json = nlohmann::ordered_json;
  switch (column.kind()) {
    case v1::COLUMN_KIND_BOOL:
    case v1::COLUMN_KIND_INT32: return Text(column, data, row);
    case v1::COLUMN_KIND_DOUBLE:
      if (std::isfinite(data.doubles(row))) return Json(data.doubles(row)).dump();
      break;
    // As they are: read and written again, long numbers in them would lose digits.
    case v1::COLUMN_KIND_JSON:
    case v1::COLUMN_KIND_ARRAY: return data.texts(row);
    default: break;
  }
  return Json(Text(column, data, row)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

namespace {

std::string Cell(const v1::ResultSet& result, int column, int row) {
  const v1::ColumnData& data = result.rows().columns(column);
  return IsNull(data, row) ? "NULL" : Printable(Text(result.columns(column), data, row));
}

int RowsOf(const v1::ResultSet& result) { return static_cast<int>(result.rows().row_count()); }

}  // namespace

std::string TableWriter::Rows(const v1::ResultSet& batch) {
  const int columns = batch.columns_size();
  if (columns == 0) return "";
  if (expanded_) return Expanded(batch);
  std::vector<std::vector<std::string>> cells(columns);
  widths_.resize(columns);
  for (int c = 0; c < columns; ++c) {
    if (!has_header_) cells[c].push_back(Printable(batch.columns(c).name()));
    for (int r = 0; r < RowsOf(batch); ++r) cells[c].push_back(Cell(batch, c, r));
    for (const std::string& cell : cells[c]) widths_[c] = std::max(widths_[c], Width(cell));
  }
  std::string table;
  for (size_t line_number = 0; line_number < cells[0].size(); ++line_number) {
    const bool is_header = !has_header_ && line_number == 0;
    std::string line, rule;
    for (int c = 0; c < columns; ++c) {
      const std::string& cell = cells[c][line_number];
      const std::string padding(widths_[c] - Width(cell), ' ');
      const bool right = !is_header && IsNumber(batch.columns(c).kind());
      const bool last = c + 1 == columns;
      absl::StrAppend(&line, c > 0 ? " | " : " ", right ? padding : "", cell, right || last ? "" : padding);
      absl::StrAppend(&rule, c > 0 ? "+" : "", std::string(widths_[c] + 2, '-'));
    }
    absl::StrAppend(&table, line, "\n", is_header ? rule + "\n" : "");
  }
  has_header_ = true;
  rows_ += RowsOf(batch);
  return table;
}

std::string TableWriter::Expanded(const v1::ResultSet& batch) {
  size_t width = 0;
  for (const v1::Column& column : batch.columns()) width = std::max(width, Width(Printable(column.name())));
  std::string text;
  for (int r = 0; r < RowsOf(batch); ++r) {
    absl::StrAppend(&text, "-[ ", ++rows_, " ]-\n");
    for (int c = 0; c < batch.columns_size(); ++c) {
      const std::string name = Printable(batch.columns(c).name());
      absl::StrAppend(&text, name, std::string(width - Width(name), ' '), " | ", Cell(batch, c, r), "\n");
    }
  }
  has_header_ = true;
  return text;
}

std::string TableWriter::End(const v1::ResultSet& columns, const std::string& command, int64_t row_count) {
  if (columns.columns().empty()) {
    v1::ResultSet done;
    done.set_command(command);
    done.set_row_count(row_count);
    return AsWords(done) + "\n";
  }
  v1::ResultSet none;
  *none.mutable_columns() = columns.columns();
  for (int c = 0; c < none.columns_size(); ++c) none.mutable_rows()->add_columns();
  return absl::StrCat(has_header_ ? "" : Rows(none), "(", rows_, rows_ == 1 ? " row)\n" : " rows)\n");
}

namespace {

// As JSON strings; a second column of the same name would take the first one's place.
std::vector<std::string> KeysOf(const v1::ResultSet& result) {
  std::vector<std::string> keys;
  for (const v1::Column& column : result.columns()) {
    std::string name = column.name();
    for (int copy = 2; std::find(keys.begin(), keys.end(), name) != keys.end(); ++copy) {
      name = absl::StrCat(column.name(), "_", copy);
    }
    keys.push_back(name);
  }
  for (std::string& key : keys) key = nlohmann::ordered_json(key).dump();
  return keys;
}

std::vector<std::string> RowsAsJson(const v1::ResultSet& result) {
  const std::vector<std::string> keys = KeysOf(result);
  std::vector<std::string> rows;
  for (int r = 0; r < static_cast<int>(result.rows().row_count()); ++r) {
    std::string row = "{";
    for (int c = 0; c < result.columns_size(); ++c) {
      const v1::ColumnData& data = result.rows().columns(c);
      absl::StrAppend(&row, c == 0 ? "" : ", ", keys[c], ": ",
                      IsNull(data, r) ? "null" : JsonText(result.columns(c), data, r));
    }
    rows.push_back(row + "}");
  }
  return rows;
}

bool CountsRows(const v1::ResultSet& result) {
  const std::string& command = result.command();
  return command == "INSERT" || command == "UPDATE" || command == "DELETE" || command == "MERGE";
}

}  // namespace

std::string AsWords(const v1::ResultSet& result) {
  return CountsRows(result) ? absl::StrCat(result.command(), " ", result.row_count()) : result.command();
}

std::string AsJson(const v1::ResultSet& result) {
  if (result.columns().empty()) return AsJsonObject(result) + "\n";
  const std::vector<std::string> rows = RowsAsJson(result);
  return rows.empty() ? "[]\n" : absl::StrCat("[\n  ", absl::StrJoin(rows, ",\n  "), "\n]\n");
}

std::string AsJsonObject(const v1::ResultSet& result) {
  std::string json = absl::StrCat("{\"command\": ", nlohmann::json(result.command()).dump());
  if (CountsRows(result)) absl::StrAppend(&json, ", \"affectedRows\": ", result.row_count());
  if (!result.columns().empty()) absl::StrAppend(&json, ", \"rows\": [", absl::StrJoin(RowsAsJson(result), ", "), "]");
  return json + "}";
}

namespace {

std::string CsvField(const std::string& text) {
  if (!text.empty() && text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

}  // namespace

std::string CsvHeader(const v1::ResultSet& result) {
  if (result.columns().empty()) return "";
  std::string csv;
  for (int c = 0; c < result.columns_size(); ++c) {
    absl::StrAppend(&csv, c > 0 ? "," : "", CsvField(result.columns(c).name()));
  }
  return csv + "\r\n";
}

std::string CsvRows(const v1::ResultSet& result) {
  std::string csv;
  for (int r = 0; r < static_cast<int>(result.rows().row_count()); ++r) {
    for (int c = 0; c < result.columns_size(); ++c) {
      const v1::ColumnData& data = result.rows().columns(c);
      absl::StrAppend(&csv, c > 0 ? "," : "", IsNull(data, r) ? "" : CsvField(Text(result.columns(c), data, r)));
    }
    csv += "\r\n";
  }
  return csv;
}

std::string AsCsv(const v1::ResultSet& result) { return CsvHeader(result) + CsvRows(result); }

}  // namespace sluice::cli
