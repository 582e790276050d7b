#include "client/cpp/subscription.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"
#include "server/base/mutex.h"

namespace sluice::client {

struct Subscription::State {
  std::function<std::unique_ptr<Source>()> open;
  absl::Duration patience;

  Mutex mu;
  CondVar stopping;
  bool stopped ABSL_GUARDED_BY(mu) = false;
  std::shared_ptr<Source> source ABSL_GUARDED_BY(mu);  // null between calls

  v1::ListenResponse event;
  absl::Status status;
  // Of the last event; and how often in a row a call has ended without any.
  absl::Time heard_at = absl::Now();
  int failures = 0;

  // The call to read from; null when stopped.
  std::shared_ptr<Source> Call() {
    MutexLock lock(&mu);
    if (stopped) return nullptr;
    if (source == nullptr) source = open();
    return source;
  }

  // The call has ended so. Whether there shall be another one, after a pause.
  bool TryAgain(const absl::Status& end) {
    MutexLock lock(&mu);
    source = nullptr;
    if (stopped) return false;
    status = end;
    const bool can_help = end.code() == absl::StatusCode::kUnavailable || end.code() == absl::StatusCode::kCancelled;
    const absl::Time now = absl::Now();
    if (!can_help || now >= heard_at + patience) return false;
    const absl::Time until = now + std::min(absl::Milliseconds(50) * (1 << std::min(failures++, 6)), absl::Seconds(2));
    while (!stopped && absl::Now() < until) stopping.WaitUntil(&mu, until);
    return !stopped;
  }
};

Subscription::Subscription(std::function<std::unique_ptr<Source>()> open, absl::Duration patience)
    : state_(std::make_unique<State>()) {
  state_->open = std::move(open);
  state_->patience = patience;
}

Subscription::Subscription(Subscription&&) noexcept = default;
Subscription& Subscription::operator=(Subscription&&) noexcept = default;
Subscription::~Subscription() = default;

bool Subscription::Next() {
  State& state = *state_;
  while (const std::shared_ptr<Source> source = state.Call()) {
    const bool was_good = state.failures == 0;
    if (source->Read(&state.event)) {
      state.heard_at = absl::Now();
      state.failures = 0;
      state.status = absl::OkStatus();
      return true;
    }
    const absl::Duration silence = absl::Now() - state.heard_at;
    if (!state.TryAgain(source->Finish())) break;
    // Of several calls in vain one gap is told.
    if (!was_good || state.event.event_case() == v1::ListenResponse::EVENT_NOT_SET) continue;
    *state.event.mutable_gap()->mutable_length() =
        google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(silence));
    return true;
  }
  MutexLock lock(&state.mu);
  if (state.stopped) state.status = absl::OkStatus();
  return false;
}

const v1::ListenResponse& Subscription::event() const { return state_->event; }

const absl::Status& Subscription::status() const { return state_->status; }

void Subscription::Stop() {
  std::shared_ptr<Source> source;
  {
    MutexLock lock(&state_->mu);
    state_->stopped = true;
    source = state_->source;
  }
  state_->stopping.NotifyAll();
  if (source != nullptr) source->Cancel();
}

}  // namespace sluice::client
