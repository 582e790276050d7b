#include "server/postgres/gate.h"

#include <algorithm>

#include "absl/random/random.h"
#include "absl/time/clock.h"

namespace sluice::postgres {

Gate::Gate(const Options& options, int connections_max)
    : options_(options), connections_max_(connections_max), allowed_(connections_max) {}

bool Gate::Enter() {
  MutexLock lock(&mu_);
  while (!shut_) {
    const absl::Time now = absl::Now();
    if (now >= grow_at_) {
      allowed_ = std::min(allowed_ + 1, connections_max_);
      grow_at_ = allowed_ < connections_max_ ? now + options_.shrunk_for : absl::InfiniteFuture();
    }
    // After a failure one goes ahead and the others wait for its news.
    const int handshakes_max = failures_ > 0 ? 1 : options_.handshakes_max;
    const bool room = handshakes_ < handshakes_max && open_ + handshakes_ < allowed_;
    if (room && now >= open_again_at_) {
      ++handshakes_;
      return true;
    }
    changed_.WaitUntil(&mu_, room ? open_again_at_ : grow_at_);
  }
  return false;
}

void Gate::Opened() {
  {
    MutexLock lock(&mu_);
    --handshakes_;
    ++open_;
    failures_ = 0;
    open_again_at_ = absl::InfinitePast();
  }
  changed_.NotifyAll();
}

absl::Duration Gate::Failed(Fate fate, bool too_many_connections) {
  absl::Duration away;
  {
    MutexLock lock(&mu_);
    --handshakes_;
    failures_ = std::min(failures_ + 1, 16);
    if (too_many_connections && open_ > 0) {
      // Others are connected: live with what there is.
      allowed_ = std::min(open_, connections_max_);
      grow_at_ = absl::Now() + options_.shrunk_for;
    }
    const absl::Duration exponential = options_.backoff_min * (1 << std::min(failures_ - 1, 10));
    away = std::min(exponential, options_.backoff_max);
    if (fate == Fate::kBadCredentials) away = options_.credentials_backoff;
    if (fate == Fate::kMisconfigured) away = options_.backoff_max;
    static thread_local absl::BitGen random;
    away *= absl::Uniform(random, 0.75, 1.25);
    open_again_at_ = absl::Now() + away;
  }
  changed_.NotifyAll();
  return away;
}

void Gate::Abandoned() {
  {
    MutexLock lock(&mu_);
    --handshakes_;
  }
  changed_.NotifyAll();
}

void Gate::Closed() {
  {
    MutexLock lock(&mu_);
    --open_;
  }
  changed_.NotifyAll();
}

void Gate::Refused() {
  MutexLock lock(&mu_);
  open_again_at_ = std::max(open_again_at_, absl::Now() + options_.backoff_min);
}

void Gate::SetConnectionsMax(int connections_max) {
  {
    MutexLock lock(&mu_);
    connections_max_ = allowed_ = connections_max;
    grow_at_ = absl::InfiniteFuture();
  }
  changed_.NotifyAll();
}

bool Gate::TakeSurplus() {
  MutexLock lock(&mu_);
  if (open_ <= connections_max_) return false;
  --open_;
  return true;
}

void Gate::Forgive() {
  {
    MutexLock lock(&mu_);
    failures_ = 0;
    open_again_at_ = absl::InfinitePast();
  }
  changed_.NotifyAll();
}

void Gate::Shut() {
  {
    MutexLock lock(&mu_);
    shut_ = true;
  }
  changed_.NotifyAll();
}

}  // namespace sluice::postgres
