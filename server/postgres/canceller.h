#ifndef SLUICE_SERVER_POSTGRES_CANCELLER_H_
#define SLUICE_SERVER_POSTGRES_CANCELLER_H_

#include <memory>

#include "server/postgres/session.h"

namespace sluice::postgres {

// Sends cancel requests to PostgreSQL from threads of its own: libpq's PQcancel opens a
// connection and blocks, for as long as the other side likes. The connection that asked
// waits for its result meanwhile, but never longer than its own limit.
//
// Thread-safe. Requests that have not been sent when it is destroyed are dropped; a thread
// that is stuck in one is waited for 2 s, and then left to the end of the process.
class Canceller {
 public:
  Canceller();
  ~Canceller();

  // Asks to cancel what `connection` runs now. False if that can not be done: the server
  // gave no cancel key (RDS Proxy), or 1,000 requests wait already.
  bool Request(pg_conn* connection);
  // Takes a session that was given up although its statement may still run, since its cancel came before it had begun
  // (a busy server, a pooler's queue) or does not help: cancels it for two more seconds, and closes it then, or when
  // the statement has ended. At once if 100 are here already.
  void FinishOff(std::unique_ptr<Session> session);

 private:
  struct State;
  // Shared with the threads, which may outlive this.
  std::shared_ptr<State> state_;
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_CANCELLER_H_
