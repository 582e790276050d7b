#ifndef SLUICE_SERVER_CODEC_COPY_ROWS_H_
#define SLUICE_SERVER_CODEC_COPY_ROWS_H_

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

  // Puts the rows behind `out`, a line each. INVALID_FIELD for a batch that has other columns than it should, for an
  // array that has not an entry for each row, and for what is no JSON array in a column of arrays; `out` is of no
  // use then.
  absl::Status Append(const v1::RowBatch& batch, std::string* out) const;

 private:
  explicit CopyRowWriter(std::vector<v1::ColumnKind> kinds) : kinds_(std::move(kinds)) {}

  std::vector<v1::ColumnKind> kinds_;
};

// A JSON array as PostgreSQL's array text: [1, null, "a"] is {1,NULL,"a"}. False if it is none.
bool JsonToArrayText(const std::string& json, std::string* text);

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_COPY_ROWS_H_
