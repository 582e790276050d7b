#include "server/postgres/canceller.h"

#include <libpq-fe.h>

#include <utility>

namespace sluice::postgres {

void Canceller::Free::operator()(pg_cancel* cancel) const { PQfreeCancel(cancel); }

Canceller::Canceller() : thread_([this] { Run(); }) {}

Canceller::~Canceller() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

bool Canceller::Request(pg_conn* connection) {
  constexpr size_t kRequestsMax = 1000;
  if (PQbackendPID(connection) == 0) return false;
  Cancel cancel(PQgetCancel(connection));
  if (cancel == nullptr) return false;
  {
    MutexLock lock(&mu_);
    if (requests_.size() >= kRequestsMax) return false;
    requests_.push_back(std::move(cancel));
  }
  changed_.NotifyOne();
  return true;
}

void Canceller::Run() {
  for (;;) {
    Cancel next;
    {
      MutexLock lock(&mu_);
      while (requests_.empty() && !stopping_) changed_.Wait(&mu_);
      if (stopping_) return;
      next = std::move(requests_.front());
      requests_.pop_front();
    }
    // A failure shows as a statement that is not cancelled, which its connection notices.
    char error[256];
    PQcancel(next.get(), error, sizeof(error));
  }
}

}  // namespace sluice::postgres
