#include "client/cpp/copy.h"

#include <limits>

#include "absl/strings/str_cat.h"

namespace sluice::client {

v1::CopyTable Table(absl::string_view name, const std::vector<std::string>& columns) {
  v1::CopyTable table;
  table.set_table(std::string(name));
  for (const std::string& column : columns) table.add_columns(column);
  return table;
}

bool CopyWriter::Write(absl::string_view data) {
  // Below the limit of a message, and large enough for its costs not to count.
  constexpr size_t kMessageBytes = 256 << 10;
  while (!data.empty()) {
    std::string* waiting = request_.mutable_data();
    const absl::string_view part = data.substr(0, kMessageBytes - waiting->size());
    waiting->append(part.data(), part.size());
    data.remove_prefix(part.size());
    if (waiting->size() == kMessageBytes && !Send()) return false;
  }
  return true;
}

bool CopyWriter::WriteRows(const v1::RowBatch& rows) {
  *request_.mutable_rows() = rows;
  return Send();
}

bool CopyWriter::Send() {
  const bool sent = wire_ != nullptr && wire_->Write(request_);
  if (request_.has_data()) request_.mutable_data()->clear();
  return sent;
}

absl::StatusOr<int64_t> CopyWriter::Commit() {
  if (wire_ == nullptr) return absl::FailedPreconditionError("the copy has ended");
  if (!request_.data().empty()) Send();
  const absl::Status status = wire_->Finish(&response_);
  wire_ = nullptr;
  if (!status.ok()) return status;
  return response_.row_count();
}

void Cells::Append(absl::Time value, v1::ColumnData* column) {
  if (value == absl::InfiniteFuture()) return column->add_int64s(std::numeric_limits<int64_t>::max());
  if (value == absl::InfinitePast()) return column->add_int64s(std::numeric_limits<int64_t>::min());
  column->add_int64s(absl::ToUnixMicros(value));
}

void Cells::Append(absl::CivilDay value, v1::ColumnData* column) {
  v1::Value text;
  SetValue(value, &text);
  column->add_texts(text.text_value());
}

bool CopyReader::Read(std::string* data) {
  while (source_ != nullptr) {
    if (!source_->Read(&message_)) {
      status_ = source_->Finish();
      if (status_.ok() && !has_summary_) status_ = absl::DataLossError("the stream ended without its summary");
      source_ = nullptr;
      return false;
    }
    if (message_.has_summary()) {
      summary_.Swap(message_.mutable_summary());
      has_summary_ = true;
    } else if (!message_.data().empty()) {
      data->swap(*message_.mutable_data());
      return true;
    }
  }
  return false;
}

}  // namespace sluice::client
