#ifndef SLUICE_CLIENT_CPP_RESULT_H_
#define SLUICE_CLIENT_CPP_RESULT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "sluice/v1/database.pb.h"

namespace sluice::client {

// Reads one cell. Errors: OUT_OF_RANGE (the number does not fit), FAILED_PRECONDITION
// (NULL, read into something that is no std::optional), INVALID_ARGUMENT (the column is of
// another kind).
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, bool* out);
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, int32_t* out);
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, int64_t* out);
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, double* out);
// Any kind that travels as text, and bytea.
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::string* out);
// timestamptz, and timestamp taken as UTC; infinity is absl::InfiniteFuture().
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, absl::Time* out);
// date; not infinity, which is no day.
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, absl::CivilDay* out);
// interval; not one with years, months or days, which have no fixed length.
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, absl::Duration* out);
// Arrays of one dimension; with NULLs in them, read std::optional elements.
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<bool>* out);
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<int32_t>* out);
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<int64_t>* out);
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<double>* out);
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<std::string>* out);
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<std::optional<bool>>* out);
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<std::optional<int32_t>>* out);
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<std::optional<int64_t>>* out);
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<std::optional<double>>* out);
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::vector<std::optional<std::string>>* out);

bool IsNullCell(const v1::ResultSet& result, int row, int column);

template <typename T>
absl::Status ReadCell(const v1::ResultSet& result, int row, int column, std::optional<T>* out) {
  if (IsNullCell(result, row, column)) {
    *out = std::nullopt;
    return absl::OkStatus();
  }
  return ReadCell(result, row, column, &out->emplace());
}

// One row of a Result, which must outlive it.
class Row {
 public:
  Row(const v1::ResultSet* result, int row) : result_(result), row_(row) {}

  // row.Get<int64_t>("id"), row.Get<std::optional<std::string>>("name"). NOT_FOUND if no
  // column has this name; else see ReadCell.
  template <typename T>
  absl::StatusOr<T> Get(absl::string_view column) const {
    absl::StatusOr<int> index = ColumnIndex(column);
    if (!index.ok()) return index.status();
    return Get<T>(*index);
  }
  template <typename T>
  absl::StatusOr<T> Get(int column) const {
    T value;
    absl::Status read = ReadCell(*result_, row_, column, &value);
    if (!read.ok()) return read;
    return value;
  }

 private:
  absl::StatusOr<int> ColumnIndex(absl::string_view name) const;

  const v1::ResultSet* result_;
  int row_;
};

// What a statement gave. Cheap to copy: copies share the rows. Thread-safe to read.
class Result {
 public:
  Result(v1::ResultSet result, v1::CallInfo info);

  // Rows that came back; see affected_rows for what an UPDATE changed.
  int size() const { return static_cast<int>(data_->result.rows().row_count()); }
  bool empty() const { return size() == 0; }
  Row operator[](int row) const { return Row(&data_->result, row); }

  class Iterator {
   public:
    Iterator(const v1::ResultSet* result, int row) : result_(result), row_(row) {}
    Row operator*() const { return Row(result_, row_); }
    Iterator& operator++() {
      ++row_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return row_ != other.row_; }

   private:
    const v1::ResultSet* result_;
    int row_;
  };
  // for (client::Row row : result); `result` must have a name of its own: in
  // for (client::Row row : *db.Execute(...)) it would be gone before the first row.
  Iterator begin() const { return Iterator(&data_->result, 0); }
  Iterator end() const { return Iterator(&data_->result, size()); }

  // All rows at once, as tuples of the columns in order:
  //   ASSIGN_OR_RETURN(auto people, result.As<int64_t, std::string>());
  //   for (const auto& [id, name] : people) ...
  // INVALID_ARGUMENT if the number of columns differs; else see ReadCell.
  template <typename... T>
  absl::StatusOr<std::vector<std::tuple<T...>>> As() const {
    absl::Status shape = CheckColumnCount(sizeof...(T));
    if (!shape.ok()) return shape;
    std::vector<std::tuple<T...>> rows(size());
    for (int row = 0; row < size(); ++row) {
      absl::Status read = ReadTuple(row, &rows[row], std::index_sequence_for<T...>());
      if (!read.ok()) return read;
    }
    return rows;
  }

  // The one value of a result of one row and one column: SELECT count(*) ...
  template <typename T>
  absl::StatusOr<T> Scalar() const {
    absl::Status shape = CheckColumnCount(1);
    if (!shape.ok()) return shape;
    if (size() != 1) return absl::InvalidArgumentError("the result does not have exactly one row");
    return (*this)[0].template Get<T>(0);
  }

  int64_t affected_rows() const { return data_->result.row_count(); }
  const std::string& command() const { return data_->result.command(); }
  // Columns, notices and all, as they came.
  const v1::ResultSet& proto() const { return data_->result; }
  const v1::CallInfo& info() const { return data_->info; }

 private:
  struct Data {
    v1::ResultSet result;
    v1::CallInfo info;
  };

  absl::Status CheckColumnCount(size_t wanted) const;

  template <typename Tuple, size_t... I>
  absl::Status ReadTuple(int row, Tuple* tuple, std::index_sequence<I...>) const {
    absl::Status status;
    (status.Update(ReadCell(data_->result, row, static_cast<int>(I), &std::get<I>(*tuple))), ...);
    return status;
  }

  // Shared between the copies of a Result.
  std::shared_ptr<const Data> data_;
};

}  // namespace sluice::client

#endif  // SLUICE_CLIENT_CPP_RESULT_H_
