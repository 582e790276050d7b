#ifndef SLUICE_SERVER_POSTGRES_CANCELLER_H_
#define SLUICE_SERVER_POSTGRES_CANCELLER_H_

#include <deque>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"

struct pg_conn;
struct pg_cancel;

namespace sluice::postgres {

// Sends cancel requests to PostgreSQL from a thread of its own: libpq's PQcancel opens a
// connection and blocks, as long as the network lets it. The connection that asked waits
// for its result meanwhile, but never longer than its own limit.
//
// Thread-safe. Requests that have not been sent when it is destroyed are dropped.
class Canceller {
 public:
  Canceller();
  ~Canceller();

  // Asks to cancel what `connection` runs now. False if that can not be done: the server
  // gave no cancel key (RDS Proxy), or 1,000 requests wait already.
  bool Request(pg_conn* connection);

 private:
  struct Free {
    void operator()(pg_cancel* cancel) const;
  };
  using Cancel = std::unique_ptr<pg_cancel, Free>;

  void Run();

  Mutex mu_;
  CondVar changed_;
  std::deque<Cancel> requests_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_CANCELLER_H_
