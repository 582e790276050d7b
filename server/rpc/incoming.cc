#include "server/rpc/incoming.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "server/base/errors.h"

namespace sluice::rpc {

void Incoming::AwaitOpening(absl::Duration limit, std::function<void(const absl::Status&)> give_up) {
  {
    MutexLock lock(&mu_);
    give_up_ = std::move(give_up);
  }
  SetPatience(&opening_patience_, limit, Stage::kOpening);
}

bool Incoming::TakeOpening() {
  MutexLock lock(&mu_);
  if (stage_ != Stage::kOpening) return false;
  stage_ = Stage::kOpened;
  opening_patience_.Cancel();
  return true;
}

bool Incoming::AwaitFirst() {
  {
    MutexLock lock(&mu_);
    if (stage_ != Stage::kOpened) return false;
    stage_ = Stage::kFirst;
  }
  SetPatience(&first_patience_, first_limit_, Stage::kFirst);
  return true;
}

// Weakly: the alarm, which is a part of this, keeps what it is given.
void Incoming::SetPatience(grpc::Alarm* alarm, absl::Duration limit, Stage stage) {
  alarm->Set(absl::ToChronoTime(absl::Now() + limit), [weak = weak_from_this(), limit, stage](bool is_up) {
    const std::shared_ptr<Incoming> self = weak.lock();
    if (is_up && self != nullptr) self->GiveUp(self->idle_(limit), {stage});
  });
}

bool Incoming::Claim() {
  MutexLock lock(&mu_);
  if (stage_ == Stage::kClaimed) return false;
  stage_ = Stage::kClaimed;
  give_up_ = nullptr;
  first_patience_.Cancel();
  return true;
}

// Under the lock: whoever is to give up lives as long as nobody has claimed the stream.
void Incoming::GiveUp(const absl::Status& why, std::initializer_list<Stage> stages) {
  MutexLock lock(&mu_);
  if (std::find(stages.begin(), stages.end(), stage_) == stages.end()) return;
  stage_ = Stage::kClaimed;
  give_up_(why);
  give_up_ = nullptr;
}

bool Incoming::Put(grpc::ByteBuffer message) {
  bool has_room = false;
  {
    MutexLock lock(&mu_);
    bytes_ += message.Length();
    messages_.push_back(std::move(message));
    has_room = is_read_ && bytes_ < kBytesMax;
    is_held_up_ = !has_room;
  }
  arrival_.NotifyAll();
  return has_room;
}

void Incoming::Close() {
  {
    MutexLock lock(&mu_);
    is_closed_ = true;
  }
  arrival_.NotifyAll();
}

void Incoming::StopWaiting(const absl::Status& why) {
  // Before that, no call is known that could be told to stop.
  GiveUp(why, {Stage::kOpened, Stage::kFirst});
  {
    MutexLock lock(&mu_);
    is_nobody_waiting_ = true;
  }
  arrival_.NotifyAll();
}

size_t Incoming::bytes() const {
  MutexLock lock(&mu_);
  return bytes_;
}

Incoming::Heard Incoming::Read(grpc::ByteBuffer* message, absl::Time until, bool* asks_for_more) {
  MutexLock lock(&mu_);
  *asks_for_more = false;
  is_read_ = true;
  while (messages_.empty() && !is_closed_ && !is_nobody_waiting_ && absl::Now() < until) {
    arrival_.WaitUntil(&mu_, until);
  }
  if (is_nobody_waiting_) return Heard::kClientGone;
  if (messages_.empty()) return is_closed_ ? Heard::kEnd : Heard::kNothing;
  *message = std::move(messages_.front());
  messages_.pop_front();
  bytes_ -= message->Length();
  *asks_for_more = is_held_up_ && bytes_ < kBytesMax;
  if (*asks_for_more) is_held_up_ = false;
  return Heard::kMessage;
}

}  // namespace sluice::rpc
