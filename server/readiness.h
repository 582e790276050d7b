#ifndef SLUICE_SERVER_READINESS_H_
#define SLUICE_SERVER_READINESS_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/postgres/pool.h"

namespace sluice {

// Up at once, and down only after a while: one lost connection, or a pooler that restarts, does not take
// the gateway out of its load balancer.
class SteadyJudgement {
 public:
  // Without a connection, and none to be had.
  static constexpr absl::Duration kDownAfter = absl::Seconds(2);

  // What is to be said, of how it looks now.
  bool Judge(bool looks_ready, absl::Time now) {
    if (looks_ready) ready_last_at_ = now;
    is_ready_ = looks_ready || (is_ready_ && now - ready_last_at_ < kDownAfter);
    return is_ready_;
  }

 private:
  bool is_ready_ = false;
  absl::Time ready_last_at_ = absl::InfinitePast();
};

// Decides whether the gateway is ready: a connection was proven within the last seconds, or shortly before.
class Readiness {
 public:
  // `report` is called from a thread of its own at each change. `pool` must outlive this.
  Readiness(const postgres::Pool* pool, std::function<void(bool ready)> report);
  ~Readiness();

 private:
  void Watch();
  bool IsReady(absl::Time now) const;

  const postgres::Pool& pool_;
  const std::function<void(bool)> report_;
  Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_READINESS_H_
