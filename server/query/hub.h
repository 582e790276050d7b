#ifndef SLUICE_SERVER_QUERY_HUB_H_
#define SLUICE_SERVER_QUERY_HUB_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/observe/events.h"
#include "server/postgres/connection.h"
#include "server/postgres/interrupt.h"
#include "server/postgres/listener.h"
#include "server/query/roster.h"

namespace sluice::query {

// One connection that LISTENs, and any number of subscribers. A thread of its own keeps it while there are any, opens
// it again when it is lost, and says so. Thread-safe.
class Hub {
 public:
  struct Options {
    postgres::Connection::Options connection;
    // How often the connection is proven, and subscribers hear that it was.
    absl::Duration heartbeat = absl::Seconds(10);
    int subscribers_max = 20000;
    int subscribers_per_caller_max = 20000;
    size_t channels_max = 10000;
    // Kept without subscribers for so long.
    absl::Duration idle_max = absl::Minutes(1);
  };

  // `observer` must outlive the hub.
  Hub(const Options& options, observe::Observer* observer);
  ~Hub();

  // GATEWAY_OVERLOADED, DRAINING. It gets its first event when LISTEN is in force; each that has joined leaves, once.
  absl::Status Join(std::shared_ptr<Subscriber> subscriber);
  // Nothing that happens from now on is delivered to it, but something may be on its way.
  void Leave(const std::shared_ptr<Subscriber>& subscriber);
  // From now on. With another login the connection is replaced, and whoever listens is told of a gap.
  void Adjust(const postgres::Connection::Options& connection);
  // Has the connection replaced.
  void Reset();
  // Ends all: DRAINING.
  void Close();
  int subscribers() const;

 private:
  void Run();
  bool AwaitDemand();
  std::unique_ptr<postgres::Listener> Connect();
  void Serve(postgres::Listener* listener);
  bool TakeChanges();
  // Whether the connection is to be replaced.
  bool TakeChangesOfConnection();
  bool PutInForce(postgres::Listener* listener);
  bool Change(postgres::Listener* listener, const std::vector<std::string>& listen,
              const std::vector<std::string>& unlisten);
  bool ListenOneByOne(postgres::Listener* listener, const std::vector<std::string>& channels);
  void Deliver(postgres::Listener* listener);
  void OnProven();
  void OnLost(const std::string& why);
  void OnNotConnected(const postgres::Connection::OpenFailure& failure);
  void OnFailed(const std::string& why, bool will_not_pass);
  void EndAll();

  const Options options_;
  observe::Observer& observer_;
  // Attempts to connect are given up.
  std::atomic<bool> closing_{false};
  postgres::Interrupt wake_;

  mutable Mutex mu_;
  int subscribers_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<std::string, int> subscribers_of_caller_ ABSL_GUARDED_BY(mu_);
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::shared_ptr<Subscriber>> joining_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<Subscriber>> leaving_ ABSL_GUARDED_BY(mu_);
  std::optional<postgres::Connection::Options> new_connection_ ABSL_GUARDED_BY(mu_);
  bool is_reset_ ABSL_GUARDED_BY(mu_) = false;

  // The thread's own.
  postgres::Connection::Options connection_;
  Roster roster_;
  // When notifications were last known to come.
  absl::Time good_at_ = absl::InfinitePast();
  // This connection has done something already.
  bool is_proven_ = false;
  // Of the attempts to connect: how many have come to nothing one after the other, when to make the next, and what
  // newcomers hear until then.
  int failures_ = 0;
  absl::Time try_at_ = absl::InfinitePast();
  absl::Status refusal_;

  std::thread thread_;
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_HUB_H_
