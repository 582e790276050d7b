#ifndef SLUICE_SERVER_POSTGRES_LISTENER_H_
#define SLUICE_SERVER_POSTGRES_LISTENER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/postgres/connection.h"
#include "server/postgres/interrupt.h"
#include "server/postgres/server_error.h"
#include "server/postgres/session.h"

namespace sluice::postgres {

// What somebody notified.
struct Notification {
  std::string channel;
  std::string payload;
  int backend_pid = 0;
};

// A session that LISTENs. Not thread-safe.
class Listener {
 public:
  // Connects, and behind a pooler makes sure, with a second session for a moment, that notifications come through. Null
  // on failure.
  static std::unique_ptr<Listener> Open(const Connection::Options& options, Connection::OpenFailure* failure);

  // LISTEN and UNLISTEN, in one round trip. False if the session is lost, or does not do it in time.
  bool Change(const std::vector<std::string>& listen, const std::vector<std::string>& unlisten, absl::Time until);
  // That notifications come: sends one to itself, and waits for it. False as above.
  bool Prove(absl::Time until);
  // Looks for notifications, and waits for them until then, or until `wake` is raised. False if the session is lost.
  bool Await(absl::Time until, const Interrupt& wake);
  // Those that have come since the last time, in order.
  std::vector<Notification> Take();

  // Why something was false; and whether the session is of no more use, rather than that PostgreSQL refused something.
  const ServerError& error() const { return error_; }
  bool is_lost() const { return lost_; }
  const std::string& server_version() const { return server_version_; }
  bool behind_pooler() const { return behind_pooler_; }

 private:
  explicit Listener(std::unique_ptr<Session> session);

  bool Introduce(bool listens, absl::Time until);
  bool IsHeardBy(Listener* other, absl::Time until);
  bool Run(const std::string& message, absl::Time until);
  bool Receive(absl::Time until);
  bool AwaitProof(absl::Time until);
  void Collect();
  bool Lost(const char* why);

  std::unique_ptr<Session> session_;
  bool proven_ = false;
  bool lost_ = false;
  std::vector<Notification> received_;
  ServerError error_;
  std::string server_version_;
  bool behind_pooler_ = false;
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_LISTENER_H_
