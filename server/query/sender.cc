#include "server/query/sender.h"

#include "server/base/errors.h"

namespace sluice::query {

bool Sender::Send(const google::protobuf::Message& message) {
  written_ = stream_.Write(message, turn_.time().work_until);
  return written_ == MessageStream::Written::kYes;
}

bool Sender::SendBatch(const google::protobuf::Message& batch) {
  ++batches_;
  return Send(batch);
}

absl::Time Sender::rest_at() const {
  constexpr absl::Duration kRest = absl::Milliseconds(10);
  return batches_ == 0 ? absl::InfinitePast() : begun_at_ + kRest;
}

absl::Status Sender::StatusOf(v1::Outcome outcome) const {
  switch (written_) {
    case MessageStream::Written::kYes: break;
    case MessageStream::Written::kClientGone: return turn_.WhyEnded(outcome);
    case MessageStream::Written::kClientStalled: return errors::ReaderStalled(outcome);
    case MessageStream::Written::kOutOfTime: return errors::DeadlineExceeded(outcome, turn_.limit());
  }
  return absl::OkStatus();
}

}  // namespace sluice::query
