#include "server/rpc/outgoing.h"

#include <grpcpp/support/slice.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace sluice::rpc {
namespace {

int64_t WeightOf(const grpc::ByteBuffer& message) { return Outgoing::kWeight + static_cast<int64_t>(message.Length()); }

}  // namespace

grpc::ByteBuffer Serialize(const google::protobuf::Message& message) {
  const size_t size = message.ByteSizeLong();
  grpc_slice slice = grpc_slice_malloc(size);
  message.SerializeWithCachedSizesToArray(GRPC_SLICE_START_PTR(slice));
  const grpc::Slice owner(slice, grpc::Slice::STEAL_REF);
  return grpc::ByteBuffer(&owner, 1);
}

Outgoing::~Outgoing() {
  if (total_ != nullptr) *total_ -= weight_;
}

void Outgoing::CountIn(std::shared_ptr<std::atomic<int64_t>> total) {
  MutexLock lock(&mu_);
  total_ = std::move(total);
}

void Outgoing::Weigh(int64_t more) {
  weight_ += more;
  if (total_ != nullptr) *total_ += more;
}

Outgoing::Written Outgoing::Write(const google::protobuf::Message& message, absl::Time until) {
  grpc::ByteBuffer bytes = Serialize(message);
  {
    MutexLock lock(&mu_);
    const absl::Time stalled_at = absl::Now() + stall_max_;
    const absl::Time give_up = std::min(until, stalled_at);
    while (!waiting_.empty() && !is_broken_ && !is_nobody_waiting_ && absl::Now() < give_up) {
      taken_.WaitUntil(&mu_, give_up);
    }
    if (is_broken_ || is_nobody_waiting_) return Written::kClientGone;
    if (!waiting_.empty()) return absl::Now() >= until ? Written::kOutOfTime : Written::kClientStalled;
    Weigh(WeightOf(bytes));
    waiting_.push_back(std::move(bytes));
  }
  SendNext();
  return Written::kYes;
}

void Outgoing::WriteLast(const google::protobuf::Message& message) {
  grpc::ByteBuffer bytes = Serialize(message);
  {
    MutexLock lock(&mu_);
    Weigh(WeightOf(bytes));
    waiting_.push_back(std::move(bytes));
  }
  SendNext();
}

Outgoing::Posted Outgoing::Post(grpc::ByteBuffer message, int64_t weight_max) {
  {
    MutexLock lock(&mu_);
    if (is_broken_ || is_finished_) return Posted::kOver;
    if (weight_ >= weight_max) return Posted::kFull;
    Weigh(WeightOf(message));
    waiting_.push_back(std::move(message));
  }
  SendNext();
  return Posted::kYes;
}

void Outgoing::Finish(const grpc::Status& status, bool drops_waiting) {
  {
    MutexLock lock(&mu_);
    is_finished_ = true;
    if (drops_waiting) {
      waiting_.clear();
      Weigh(-weight_);
    }
    end_ = status;
    if (is_sending_ || !waiting_.empty()) {
      // Weakly: the alarm, which is a part of this, keeps what it is given.
      patience_.Set(absl::ToChronoTime(absl::Now() + stall_max_), [weak = weak_from_this()](bool is_up) {
        const std::shared_ptr<Outgoing> self = weak.lock();
        if (is_up && self != nullptr) self->CutOff();
      });
    }
  }
  SendNext();
}

void Outgoing::StopWaiting() {
  {
    MutexLock lock(&mu_);
    is_nobody_waiting_ = true;
  }
  taken_.NotifyAll();
}

void Outgoing::OnWriteDone(bool ok) {
  {
    MutexLock lock(&mu_);
    is_sending_ = false;
    if (!ok) is_broken_ = true;
  }
  taken_.NotifyAll();
  SendNext();
}

void Outgoing::OnDone() {
  MutexLock lock(&mu_);
  context_ = nullptr;
  patience_.Cancel();
}

// One thing at a time: gRPC's threads and the connection's come here, and whoever finds a message being
// sent leaves the rest to its end.
void Outgoing::SendNext() {
  std::optional<grpc::Status> end;
  {
    MutexLock lock(&mu_);
    if (is_sending_) return;
    if (is_broken_) {
      waiting_.clear();
      Weigh(-weight_);
    }
    if (!waiting_.empty()) {
      sending_ = std::move(waiting_.front());
      waiting_.pop_front();
      Weigh(-WeightOf(sending_));
      is_sending_ = true;
    } else {
      end.swap(end_);
      if (!end.has_value()) return;
    }
  }
  if (end.has_value()) return wire_->End(*end);
  taken_.NotifyAll();
  wire_->Send(&sending_);
}

// It has had time enough to take the last messages. (gRPC tells the reactor on another thread.)
void Outgoing::CutOff() {
  MutexLock lock(&mu_);
  if (context_ != nullptr) context_->TryCancel();
}

}  // namespace sluice::rpc
