#include "server/postgres/canceller.h"

#include <libpq-fe.h>

#include <deque>
#include <optional>
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

// A failure shows as a statement that is not cancelled, which its connection notices.
void Send(PGcancel* cancel) {
  char error[256];
  PQcancel(cancel, error, sizeof(error));
}

// A session that is cancelled until its statement has ended.
class Unfinished {
 public:
  explicit Unfinished(std::unique_ptr<Session> session) : session_(std::move(session)) {
    PQsetNoticeReceiver(
        session_->handle(), [](void*, const PGresult*) {}, nullptr);
  }

  absl::Time due() const { return due_; }
  // Whether there is more to do, later.
  bool GoesOn() {
    if (PQconsumeInput(session_->handle()) == 0 || PQisBusy(session_->handle()) == 0) return false;
    const CancelPtr cancel(PQgetCancel(session_->handle()));
    if (cancel != nullptr) Send(cancel.get());
    due_ = absl::Now() + kInterval;
    return --cancels_left_ > 0;
  }

 private:
  static constexpr absl::Duration kInterval = absl::Milliseconds(500);

  std::unique_ptr<Session> session_;
  int cancels_left_ = 5;
  absl::Time due_ = absl::Now() + kInterval;
};

}  // namespace

struct Canceller::State {
  Mutex mu;
  CondVar changed;
  std::deque<CancelPtr> requests ABSL_GUARDED_BY(mu);
  // The first is due first.
  std::deque<Unfinished> unfinished ABSL_GUARDED_BY(mu);
  bool stopping ABSL_GUARDED_BY(mu) = false;
  int running ABSL_GUARDED_BY(mu) = kThreads;

  void Run() {
    for (;;) {
      CancelPtr next;
      std::optional<Unfinished> late;
      {
        MutexLock lock(&mu);
        while (requests.empty() && !stopping && DueAt() > absl::Now()) changed.WaitUntil(&mu, DueAt());
        if (stopping) {
          --running;
          changed.NotifyAll();
          return;
        }
        if (!requests.empty()) {
          next = std::move(requests.front());
          requests.pop_front();
        } else {
          late.emplace(std::move(unfinished.front()));
          unfinished.pop_front();
        }
      }
      if (next != nullptr) Send(next.get());
      if (!late.has_value() || !late->GoesOn()) continue;
      MutexLock lock(&mu);
      unfinished.push_back(*std::move(late));
    }
  }

  absl::Time DueAt() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return unfinished.empty() ? absl::InfiniteFuture() : unfinished.front().due();
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
  state_->unfinished.clear();
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

void Canceller::FinishOff(std::unique_ptr<Session> session) {
  constexpr size_t kUnfinishedMax = 100;
  Unfinished unfinished(std::move(session));
  MutexLock lock(&state_->mu);
  if (state_->stopping || state_->unfinished.size() >= kUnfinishedMax) return;
  state_->unfinished.push_back(std::move(unfinished));
  state_->changed.NotifyOne();
}

}  // namespace sluice::postgres
