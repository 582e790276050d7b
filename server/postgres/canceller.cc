#include "server/postgres/canceller.h"

#include <libpq-fe.h>

#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"

namespace sluice::postgres {
namespace {

// One that is stuck does not keep the others' cancels waiting.
constexpr int kThreads = 4;
constexpr absl::Duration kEndWait = absl::Seconds(2);

struct FreeCancel {
  void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
};
using CancelPtr = std::unique_ptr<PGcancel, FreeCancel>;

}  // namespace

struct Canceller::State {
  Mutex mu;
  CondVar changed;
  std::deque<CancelPtr> requests ABSL_GUARDED_BY(mu);
  bool stopping ABSL_GUARDED_BY(mu) = false;
  int running ABSL_GUARDED_BY(mu) = kThreads;

  void Run() {
    for (;;) {
      CancelPtr next;
      {
        MutexLock lock(&mu);
        while (requests.empty() && !stopping) changed.Wait(&mu);
        if (stopping) {
          --running;
          changed.NotifyAll();
          return;
        }
        next = std::move(requests.front());
        requests.pop_front();
      }
      // A failure shows as a statement that is not cancelled, which its connection notices.
      char error[256];
      PQcancel(next.get(), error, sizeof(error));
    }
  }
};

Canceller::Canceller() : state_(std::make_shared<State>()) {
  for (int i = 0; i < kThreads; ++i) std::thread([state = state_] { state->Run(); }).detach();
}

Canceller::~Canceller() {
  const absl::Time end = absl::Now() + kEndWait;
  MutexLock lock(&state_->mu);
  state_->stopping = true;
  state_->requests.clear();
  state_->changed.NotifyAll();
  while (state_->running > 0 && absl::Now() < end) state_->changed.WaitUntil(&state_->mu, end);
}

bool Canceller::Request(pg_conn* connection) {
  constexpr size_t kRequestsMax = 1000;
  if (PQbackendPID(connection) == 0) return false;
  CancelPtr cancel(PQgetCancel(connection));
  if (cancel == nullptr) return false;
  MutexLock lock(&state_->mu);
  if (state_->requests.size() >= kRequestsMax) return false;
  state_->requests.push_back(std::move(cancel));
  state_->changed.NotifyOne();
  return true;
}

}  // namespace sluice::postgres
