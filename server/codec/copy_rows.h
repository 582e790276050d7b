#ifndef SLUICE_SERVER_CODEC_COPY_ROWS_H_
#define SLUICE_SERVER_CODEC_COPY_ROWS_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sluice/v1/value.pb.h"

namespace sluice::codec {

// Writes typed rows as COPY's text format: what ColumnWriter reads, the other way round.
class CopyRowWriter {
 public:
  // INVALID_FIELD for a kind that is none.
  static absl::StatusOr<CopyRowWriter> Of(std::vector<v1::ColumnKind> kinds);

  // INVALID_FIELD for a batch that has other columns than it should, or an array that has not an entry for each row.
  absl::Status Check(const v1::RowBatch& batch) const;
  // Puts rows of a batch that was checked behind `out`, a line each: from `row` on, until there are `bytes_max` or
  // somewhat more. The row to go on with; INVALID_FIELD for what is no JSON array in a column of arrays.
  absl::StatusOr<int> Append(const v1::RowBatch& batch, int row, size_t bytes_max, std::string* out) const;

 private:
  explicit CopyRowWriter(std::vector<v1::ColumnKind> kinds) : kinds_(std::move(kinds)) {}

  std::vector<v1::ColumnKind> kinds_;
};

// A JSON array as PostgreSQL's array text: [1, null, "a"] is {1,NULL,"a"}. False if it is none.
bool JsonToArrayText(const std::string& json, std::string* text);

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_COPY_ROWS_H_
