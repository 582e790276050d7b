#ifndef SLUICE_SERVER_POSTGRES_RESULT_H_
#define SLUICE_SERVER_POSTGRES_RESULT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

struct pg_result;  // libpq's PGresult

namespace sluice::postgres {

struct ColumnFacts {
  absl::string_view name;
  uint32_t type_oid = 0;
  int32_t type_modifier = -1;
  uint32_t table_oid = 0;
  int32_t table_column = 0;
};

// What one statement gave: rows in PostgreSQL's text form, and its command tag.
// Movable; views point into it. Not thread-safe.
class Result {
 public:
  // Takes ownership.
  explicit Result(pg_result* result);

  int row_count() const { return rows_; }
  int column_count() const { return columns_; }
  ColumnFacts column(int column) const;

  // "" for NULL.
  absl::string_view Text(int row, int column) const;
  // nullopt for NULL.
  std::optional<absl::string_view> Value(int row, int column) const;

  // "SELECT", "INSERT", "CREATE TABLE"
  std::string command() const;
  // Rows returned, or changed.
  int64_t affected_count() const;

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
  int rows_;
  int columns_;
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_RESULT_H_
