#ifndef SLUICE_SERVER_CODEC_ROW_BATCH_H_
#define SLUICE_SERVER_CODEC_ROW_BATCH_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "server/codec/column_type.h"
#include "server/codec/column_writer.h"
#include "server/postgres/result.h"
#include "sluice/v1/value.pb.h"

namespace sluice::codec {

// Writes rows into a batch, one by one. The kinds of the columns have been told already, so a value that
// is not in the form of its kind has no place in it.
class RowBatchWriter {
 public:
  // `batch` must outlive the writer.
  RowBatchWriter(std::vector<ColumnType> types, bool timestamps_as_text, v1::RowBatch* batch);
  // Columns keep pointers to it.
  RowBatchWriter(const RowBatchWriter&) = delete;
  RowBatchWriter& operator=(const RowBatchWriter&) = delete;

  // About as much as a row takes in a message, or a little more.
  int64_t SizeOf(const postgres::Result& result, int row) const;
  // Of a row of such a size: the column whose value is not in its form; nullopt if all are.
  std::optional<int> Append(const postgres::Result& result, int row, int64_t size);

  // The same of the batch; 0 after Clear.
  int64_t bytes() const { return bytes_; }
  int row_count() const { return rows_; }
  // For the next batch, in the same memory.
  void Clear();

 private:
  const std::vector<ColumnType> types_;
  const bool as_text_;
  v1::RowBatch& batch_;
  std::vector<ColumnWriter> columns_;
  int64_t bytes_ = 0;
  int64_t largest_row_ = 0;
  int rows_ = 0;
};

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_ROW_BATCH_H_
