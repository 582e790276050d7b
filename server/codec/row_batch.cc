#include "server/codec/row_batch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"

namespace sluice::codec {
namespace {

// PostgreSQL's text is about as long as the value in a message, or longer; but for a double, and for an array, whose
// JSON has quotes around each element.
int64_t SizeOf(v1::ColumnKind kind, absl::string_view text) {
  const int64_t size = static_cast<int64_t>(text.size()) * (kind == v1::COLUMN_KIND_ARRAY ? 3 : 1);
  return std::max<int64_t>(8, size + 2);
}

}  // namespace

RowBatchWriter::RowBatchWriter(std::vector<ColumnType> types, bool timestamps_as_text, v1::RowBatch* batch)
    : types_(std::move(types)), as_text_(timestamps_as_text), batch_(*batch) {
  Clear();
}

int64_t RowBatchWriter::SizeOf(const postgres::Result& result, int row) const {
  int64_t bytes = 0;
  for (size_t i = 0; i < types_.size(); ++i) {
    bytes += codec::SizeOf(types_[i].kind, result.Text(row, static_cast<int>(i)));
  }
  return bytes;
}

void RowBatchWriter::Clear() {
  // Protobuf keeps the memory of each value for the next one in its place: good for small ones, but large ones would
  // leave theirs in every place.
  constexpr int64_t kLargeRow = 64 << 10;
  if (largest_row_ > kLargeRow) google::protobuf::RepeatedPtrField<v1::ColumnData>().Swap(batch_.mutable_columns());
  largest_row_ = 0;
  batch_.set_row_count(0);
  columns_.clear();
  for (size_t i = 0; i < types_.size(); ++i) {
    if (static_cast<int>(i) == batch_.columns_size()) batch_.add_columns();
    v1::ColumnData* data = batch_.mutable_columns(static_cast<int>(i));
    data->Clear();
    columns_.emplace_back(&types_[i], as_text_, data);
  }
  bytes_ = 0;
  rows_ = 0;
}

std::optional<int> RowBatchWriter::Append(const postgres::Result& result, int row, int64_t size) {
  bytes_ += size;
  largest_row_ = std::max(largest_row_, size);
  for (int i = 0; i < static_cast<int>(columns_.size()); ++i) {
    const std::optional<absl::string_view> value = result.Value(row, i);
    google::protobuf::RepeatedField<bool>* nulls = batch_.mutable_columns(i)->mutable_nulls();
    if (value.has_value()) {
      if (!columns_[i].Append(*value)) return i;
      if (!nulls->empty()) nulls->Add(false);
    } else {
      columns_[i].AppendNull();
      nulls->Resize(rows_, false);
      nulls->Add(true);
    }
  }
  batch_.set_row_count(++rows_);
  return std::nullopt;
}

}  // namespace sluice::codec
