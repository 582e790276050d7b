#include "client/cpp/result.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace sluice::client {
namespace {

const v1::Column& ColumnOf(const v1::ResultSet& result, int column) { return result.columns(column); }

const v1::ColumnData& DataOf(const v1::ResultSet& result, int column) { return result.rows().columns(column); }

absl::Status CheckCell(const v1::ResultSet& result, int row, int column) {
  if (column < 0 || column >= result.columns_size()) return absl::NotFoundError(absl::StrCat("no column ", column));
  if (row < 0 || row >= static_cast<int>(result.rows().row_count())) {
    return absl::NotFoundError(absl::StrCat("no row ", row));
  }
  if (IsNullCell(result, row, column)) {
    return absl::FailedPreconditionError(
        absl::StrCat("column ", ColumnOf(result, column).name(), " is NULL in row ", row, "; read std::optional"));
  }
  return absl::OkStatus();
}

absl::Status WrongKind(const v1::ResultSet& result, int column, absl::string_view wanted) {
  const v1::Column& facts = ColumnOf(result, column);
  return absl::InvalidArgumentError(absl::StrCat("column ", facts.name(), " is ", v1::ColumnKind_Name(facts.kind()),
                                                 " (", facts.type_name(), "), not ", wanted));
}

absl::StatusOr<nlohmann::json> ReadArray(const v1::ResultSet& result, int row, int column) {
  absl::Status cell = CheckCell(result, row, column);
  if (!cell.ok()) return cell;
  if (ColumnOf(result, column).kind() != v1::COLUMN_KIND_ARRAY) return WrongKind(result, column, "an array");
  return nlohmann::json::parse(DataOf(result, column).texts(row), nullptr, /*allow_exceptions=*/false);
}

absl::Status ReadElement(const nlohmann::json& element, bool* out) {
  if (!element.is_boolean()) return absl::InvalidArgumentError("an element is no bool");
  *out = element.get<bool>();
  return absl::OkStatus();
}

absl::Status ReadElement(const nlohmann::json& element, int64_t* out) {
  // int8 travels as a string.
  if (element.is_number_integer()) {
    *out = element.get<int64_t>();
    return absl::OkStatus();
  }
  if (element.is_string() && absl::SimpleAtoi(element.get_ref<const std::string&>(), out)) return absl::OkStatus();
  return absl::InvalidArgumentError("an element is no integer");
}

absl::Status ReadElement(const nlohmann::json& element, int32_t* out) {
  int64_t wide = 0;
  absl::Status read = ReadElement(element, &wide);
  if (!read.ok()) return read;
  *out = static_cast<int32_t>(wide);
  return *out == wide ? absl::OkStatus() : absl::OutOfRangeError("an element does not fit 32 bits");
}

absl::Status ReadElement(const nlohmann::json& element, double* out) {
  if (element.is_number()) {
    *out = element.get<double>();
    return absl::OkStatus();
  }
  // NaN and the infinities travel as strings.
  if (element.is_string() && absl::SimpleAtod(element.get_ref<const std::string&>(), out)) return absl::OkStatus();
  return absl::InvalidArgumentError("an element is no number");
}

absl::Status ReadElement(const nlohmann::json& element, std::string* out) {
  *out = element.is_string() ? element.get<std::string>() : element.dump();
  return absl::OkStatus();
}

template <typename T>
absl::Status ReadElement(const nlohmann::json& element, std::optional<T>* out) {
  if (element.is_null()) return absl::OkStatus();
  return ReadElement(element, &out->emplace());
}

template <typename T>
constexpr bool kTakesNull = false;
template <typename T>
constexpr bool kTakesNull<std::optional<T>> = true;

template <typename T>
absl::Status ReadVector(const v1::ResultSet& result, int row, int column, std::vector<T>* out) {
  absl::StatusOr<nlohmann::json> array = ReadArray(result, row, column);
  if (!array.ok()) return array.status();
  if (!array->is_array()) return absl::DataLossError("the array is not JSON");
  out->clear();
  for (const nlohmann::json& element : *array) {
    if (element.is_null() && !kTakesNull<T>) {
      return absl::FailedPreconditionError("an element is NULL; read std::optional elements");
    }
    if (element.is_array()) return absl::InvalidArgumentError("the array has more than one dimension");
    T value{};
    absl::Status read = ReadElement(element, &value);
    if (!read.ok()) return read;
    out->push_back(value);
  }
  return absl::OkStatus();
}

}  // namespace

bool IsNullCell(const v1::ResultSet& result, int row, int column) {
  if (column < 0 || column >= result.rows().columns_size()) return false;
  const v1::ColumnData& data = DataOf(result, column);
  return row >= 0 && row < data.nulls_size() && data.nulls(row);
}

absl::Status ReadCell(const v1::ResultSet& result, int row, int column, bool* out) {
  absl::Status cell = CheckCell(result, row, column);
  if (!cell.ok()) return cell;
  if (ColumnOf(result, column).kind() != v1::COLUMN_KIND_BOOL) return WrongKind(result, column, "bool");
  *out = DataOf(result, column).bools(row);
  return absl::OkStatus();
}

absl::Status ReadCell(const v1::ResultSet& result, int row, int column, int64_t* out) {
  absl::Status cell = CheckCell(result, row, column);
  if (!cell.ok()) return cell;
  switch (ColumnOf(result, column).kind()) {
    case v1::COLUMN_KIND_INT32: *out = DataOf(result, column).int32s(row); return absl::OkStatus();
    case v1::COLUMN_KIND_INT64: *out = DataOf(result, column).int64s(row); return absl::OkStatus();
    default: return WrongKind(result, column, "an integer");
  }
}

absl::Status ReadCell(const v1::ResultSet& result, int row, int column, int32_t* out) {
  int64_t wide = 0;
  absl::Status read = ReadCell(result, row, column, &wide);
  if (!read.ok()) return read;
  *out = static_cast<int32_t>(wide);
  if (*out == wide) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat(wide, " in column ", ColumnOf(result, column).name(), " needs 64 bits"));
}

absl::Status ReadCell(const v1::ResultSet& result, int row, int column, double* out) {
  absl::Status cell = CheckCell(result, row, column);
  if (!cell.ok()) return cell;
  switch (ColumnOf(result, column).kind()) {
    case v1::COLUMN_KIND_INT32: *out = DataOf(result, column).int32s(row); return absl::OkStatus();
    case v1::COLUMN_KIND_DOUBLE: *out = DataOf(result, column).doubles(row); return absl::OkStatus();
    // numeric is exact and would not stay so.
    default: return WrongKind(result, column, "a double");
  }
}

absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::string* out) {
  absl::Status cell = CheckCell(result, row, column);
  if (!cell.ok()) return cell;
  const v1::ColumnData& data = DataOf(result, column);
  if (row < data.texts_size()) {
    *out = data.texts(row);
  } else if (row < data.blobs_size()) {
    *out = data.blobs(row);
  } else {
    return WrongKind(result, column, "a text");
  }
  return absl::OkStatus();
}

absl::Status ReadCell(const v1::ResultSet& result, int row, int column, absl::Time* out) {
  absl::Status cell = CheckCell(result, row, column);
  if (!cell.ok()) return cell;
  const v1::ColumnKind kind = ColumnOf(result, column).kind();
  if (kind != v1::COLUMN_KIND_TIMESTAMP && kind != v1::COLUMN_KIND_TIMESTAMPTZ) {
    return WrongKind(result, column, "a timestamp");
  }
  const int64_t microseconds = DataOf(result, column).int64s(row);
  if (microseconds == std::numeric_limits<int64_t>::max()) {
    *out = absl::InfiniteFuture();
  } else if (microseconds == std::numeric_limits<int64_t>::min()) {
    *out = absl::InfinitePast();
  } else {
    *out = absl::FromUnixMicros(microseconds);
  }
  return absl::OkStatus();
}

absl::Status ReadCell(const v1::ResultSet& result, int row, int column, absl::CivilDay* out) {
  absl::Status cell = CheckCell(result, row, column);
  if (!cell.ok()) return cell;
  if (ColumnOf(result, column).kind() != v1::COLUMN_KIND_DATE) return WrongKind(result, column, "a date");
  absl::string_view text = DataOf(result, column).texts(row);
  const bool before_christ = absl::ConsumeSuffix(&text, " BC");
  absl::CivilDay day;
  if (!absl::ParseCivilTime(text, &day)) return absl::OutOfRangeError(absl::StrCat(text, " is no day"));
  // The year 0 is 1 BC.
  *out = before_christ ? absl::CivilDay(1 - day.year(), day.month(), day.day()) : day;
  return absl::OkStatus();
}

absl::Status ReadCell(const v1::ResultSet& result, int row, int column, absl::Duration* out) {
  absl::Status cell = CheckCell(result, row, column);
  if (!cell.ok()) return cell;
  if (ColumnOf(result, column).kind() != v1::COLUMN_KIND_INTERVAL) return WrongKind(result, column, "an interval");
  // PT-4H-5M-6.5S
  absl::string_view text = DataOf(result, column).texts(row);
  if (!absl::ConsumePrefix(&text, "PT")) {
    return absl::OutOfRangeError(absl::StrCat(text, " has years, months or days, whose length is not fixed"));
  }
  *out = absl::ZeroDuration();
  while (!text.empty()) {
    const size_t end = text.find_first_of("HMS");
    double number = 0;
    if (end == absl::string_view::npos || !absl::SimpleAtod(text.substr(0, end), &number)) {
      return absl::DataLossError("the interval is not ISO 8601");
    }
    const absl::Duration unit = text[end] == 'H'   ? absl::Hours(1)
                                : text[end] == 'M' ? absl::Minutes(1)
                                                   : absl::Seconds(1);
    *out += unit * number;
    text.remove_prefix(end + 1);
  }
  return absl::OkStatus();
}

absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<bool>* out) {
  return ReadVector(result, row, column, out);
}
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<int32_t>* out) {
  return ReadVector(result, row, column, out);
}
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<int64_t>* out) {
  return ReadVector(result, row, column, out);
}
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<double>* out) {
  return ReadVector(result, row, column, out);
}
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<std::string>* out) {
  return ReadVector(result, row, column, out);
}

absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<std::optional<bool>>* out) {
  return ReadVector(result, row, column, out);
}
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<std::optional<int32_t>>* out) {
  return ReadVector(result, row, column, out);
}
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<std::optional<int64_t>>* out) {
  return ReadVector(result, row, column, out);
}
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<std::optional<double>>* out) {
  return ReadVector(result, row, column, out);
}
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<std::optional<std::string>>* out) {
  return ReadVector(result, row, column, out);
}

absl::StatusOr<int> Row::ColumnIndex(absl::string_view name) const {
  for (int i = 0; i < result_->columns_size(); ++i) {
    if (result_->columns(i).name() == name) return i;
  }
  return absl::NotFoundError(absl::StrCat("no column is called ", name));
}

Result::Result(v1::ResultSet result, v1::CallInfo info)
    : data_(std::make_shared<const Data>(Data{std::move(result), std::move(info)})) {}

absl::Status Result::CheckColumnCount(size_t wanted) const {
  const size_t count = data_->result.columns_size();
  if (count == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the result has ", count, " columns, not ", wanted));
}

}  // namespace sluice::client
