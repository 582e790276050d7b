#include "server/readiness.h"

#include <utility>

#include "absl/time/clock.h"

namespace sluice {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(100);
// Idle connections are proven every 5 s.
constexpr absl::Duration kProofTooOld = absl::Seconds(15);

}  // namespace

Readiness::Readiness(const postgres::Pool* pool, std::function<void(bool)> report)
    : pool_(*pool), report_(std::move(report)), thread_([this] { Watch(); }) {}

Readiness::~Readiness() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void Readiness::Watch() {
  SteadyJudgement judgement;
  bool reported = false;
  for (;;) {
    const absl::Time now = absl::Now();
    const bool ready = judgement.Judge(IsReady(now), now);
    if (ready != reported) report_(ready);
    reported = ready;
    MutexLock lock(&mu_);
    if (!stopping_) changed_.WaitUntil(&mu_, now + kLookEvery);
    if (stopping_) return;
  }
}

bool Readiness::IsReady(absl::Time now) const {
  const postgres::Pool::Health health = pool_.health();
  if (!health.last_failure.empty() || health.proven_at == absl::InfinitePast()) return false;
  // A busy connection proves nothing until its call ends, which it does by its deadline.
  return health.busy > 0 || !health.proves_regularly || now - health.proven_at < kProofTooOld;
}

}  // namespace sluice
