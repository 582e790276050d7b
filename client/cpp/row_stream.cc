#include "client/cpp/row_stream.h"

#include <utility>

#include "server/base/mutex.h"

namespace sluice::client {

struct RowStream::State {
  // Of who cancels: the source is not taken away meanwhile.
  Mutex mu;
  std::unique_ptr<Source> source;  // null at the end
  absl::Status status;
  // The columns, and the batch that is being read.
  v1::ResultSet result;
  int row = -1;
  v1::ExecuteStreamResponse message;
  v1::ExecuteStreamResponse::Summary summary;
  bool has_summary = false;

  // The next batch; false at the end.
  bool Advance() {
    while (source != nullptr) {
      if (!source->Read(&message)) {
        status = source->Finish();
        if (status.ok() && !has_summary) status = absl::DataLossError("the stream ended without its summary");
        MutexLock lock(&mu);
        source = nullptr;
        return false;
      }
      switch (message.part_case()) {
        case v1::ExecuteStreamResponse::kHeader:
          result.mutable_columns()->Swap(message.mutable_header()->mutable_columns());
          break;
        case v1::ExecuteStreamResponse::kRows:
          result.mutable_rows()->Swap(message.mutable_rows());
          row = -1;
          return true;
        case v1::ExecuteStreamResponse::kSummary:
          summary.Swap(message.mutable_summary());
          has_summary = true;
          break;
        case v1::ExecuteStreamResponse::PART_NOT_SET: break;
      }
    }
    return false;
  }
};

RowStream::RowStream(std::unique_ptr<Source> source) : state_(std::make_unique<State>()) {
  state_->source = std::move(source);
}

RowStream::RowStream(RowStream&&) noexcept = default;
RowStream& RowStream::operator=(RowStream&&) noexcept = default;
RowStream::~RowStream() = default;

bool RowStream::Next() {
  State& state = *state_;
  while (state.row + 1 >= static_cast<int>(state.result.rows().row_count())) {
    if (!state.Advance()) return false;
  }
  ++state.row;
  return true;
}

bool RowStream::NextBatch() {
  if (!state_->Advance()) return false;
  state_->row = static_cast<int>(state_->result.rows().row_count()) - 1;
  return true;
}

void RowStream::Cancel() {
  MutexLock lock(&state_->mu);
  if (state_->source != nullptr) state_->source->Cancel();
}

bool RowStream::has_ended() const { return state_->source == nullptr; }

const v1::ResultSet& RowStream::batch() const { return state_->result; }

Row RowStream::current() const { return Row(&state_->result, state_->row); }

const absl::Status& RowStream::status() const { return state_->status; }

const google::protobuf::RepeatedPtrField<v1::Column>& RowStream::columns() const { return state_->result.columns(); }

const v1::ExecuteStreamResponse::Summary& RowStream::summary() const { return state_->summary; }

}  // namespace sluice::client
