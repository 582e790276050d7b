#include "client/cli/table.h"

#include <wchar.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

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
      const nlohmann::json number = data.doubles(row);  // the shortest form
      return number.is_number_float() && data.doubles(row) - data.doubles(row) == 0 ? number.dump()
                                                                                    : absl::StrCat(data.doubles(row));
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

// Cells of a terminal that a text takes.
size_t Width(const std::string& text) {
  std::mbstate_t state = {};
  size_t width = 0;
  for (size_t i = 0; i < text.size();) {
    wchar_t character = 0;
    const size_t length = std::mbrtowc(&character, text.data() + i, text.size() - i, &state);
    if (length == 0 || length > text.size()) return text.size();
    width += static_cast<size_t>(std::max(wcwidth(character), 0));
    i += length;
  }
  return width;
}

// One line for each row: what would break it is shown as an escape.
std::string Printable(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\n", "\\n"}, {"\r", "\\r"}, {"\t", "\\t"}, {"\x1b", "\\e"}});
}

}  // namespace

std::string AsTable(const v1::ResultSet& result) {
  const int columns = result.columns_size();
  const int rows = static_cast<int>(result.rows().row_count());
  std::vector<std::vector<std::string>> cells(columns);
  std::vector<size_t> widths(columns);
  for (int c = 0; c < columns; ++c) {
    cells[c].push_back(Printable(result.columns(c).name()));
    for (int r = 0; r < rows; ++r) {
      const v1::ColumnData& data = result.rows().columns(c);
      cells[c].push_back(IsNull(data, r) ? "NULL" : Printable(Text(result.columns(c), data, r)));
    }
    for (const std::string& cell : cells[c]) widths[c] = std::max(widths[c], Width(cell));
  }
  std::string table;
  for (int r = 0; r <= rows; ++r) {
    std::string line, rule;
    for (int c = 0; c < columns; ++c) {
      const std::string padding(widths[c] - Width(cells[c][r]), ' ');
      const bool right = r > 0 && IsNumber(result.columns(c).kind());
      const bool last = c + 1 == columns;
      absl::StrAppend(&line, c > 0 ? " | " : " ", right ? padding : "", cells[c][r], right || last ? "" : padding);
      absl::StrAppend(&rule, c > 0 ? "+" : "", std::string(widths[c] + 2, '-'));
    }
    absl::StrAppend(&table, line, "\n", r == 0 ? rule + "\n" : "");
  }
  return table;
}

std::string AsJson(const v1::ResultSet& result) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (int r = 0; r < static_cast<int>(result.rows().row_count()); ++r) {
    nlohmann::ordered_json row = nlohmann::ordered_json::object();
    for (int c = 0; c < result.columns_size(); ++c) {
      const v1::Column& column = result.columns(c);
      const v1::ColumnData& data = result.rows().columns(c);
      // A second column of the same name would take the first one's place.
      std::string name = column.name();
      for (int copy = 2; row.contains(name); ++copy) name = absl::StrCat(column.name(), "_", copy);
      nlohmann::ordered_json& value = row[name];
      if (IsNull(data, r)) continue;  // null
      switch (column.kind()) {
        case v1::COLUMN_KIND_BOOL: value = data.bools(r); break;
        case v1::COLUMN_KIND_INT32: value = data.int32s(r); break;
        case v1::COLUMN_KIND_DOUBLE:
          if (data.doubles(r) - data.doubles(r) == 0) {
            value = data.doubles(r);
          } else {
            value = Text(column, data, r);
          }
          break;
        case v1::COLUMN_KIND_JSON:
        case v1::COLUMN_KIND_ARRAY:
          value = nlohmann::ordered_json::parse(data.texts(r), nullptr, /*allow_exceptions=*/false);
          break;
        default: value = Text(column, data, r);
      }
    }
    all.push_back(std::move(row));
  }
  return all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string AsCsv(const v1::ResultSet& result) {
  if (result.columns().empty()) return "";
  const auto quoted = [](const std::string& text) {
    if (!text.empty() && text.find_first_of(",\"\r\n") == std::string::npos) return text;
    return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
  };
  std::string csv;
  for (int c = 0; c < result.columns_size(); ++c) {
    absl::StrAppend(&csv, c > 0 ? "," : "", quoted(result.columns(c).name()));
  }
  csv += "\r\n";
  for (int r = 0; r < static_cast<int>(result.rows().row_count()); ++r) {
    for (int c = 0; c < result.columns_size(); ++c) {
      const v1::ColumnData& data = result.rows().columns(c);
      absl::StrAppend(&csv, c > 0 ? "," : "", IsNull(data, r) ? "" : quoted(Text(result.columns(c), data, r)));
    }
    csv += "\r\n";
  }
  return csv;
}

}  // namespace sluice::cli
