#ifndef SLUICE_SERVER_POSTGRES_POOL_H_
#define SLUICE_SERVER_POSTGRES_POOL_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/admission/line.h"
#include "server/base/mutex.h"
#include "server/observe/events.h"
#include "server/observe/state.h"
#include "server/postgres/canceller.h"
#include "server/postgres/connection.h"
#include "server/postgres/gate.h"
#include "server/postgres/jit.h"

namespace sluice::postgres {

// The connections to one database, each with a thread of its own. A thread takes a call
// from the Line, serves it on its connection, and comes back for the next: nobody pushes,
// so nothing can overflow. Connections are opened on demand and reopened with back-off,
// while the calls wait in the Line.
class Pool {
 public:
  struct Options {
    Connection::Options connection;
    JitStrategy jit_strategy = JitStrategy::kAuto;
    int connections_max = 15;
    // Kept open without demand, so that the first call need not wait, Supavisor does not tear
    // its pool down after 120 s, and health knows of a database that goes away meanwhile.
    int connections_warm = 1;
    // Shortened by up to a quarter at random, so that connections do not end together.
    absl::Duration age_max = absl::Minutes(30);
    absl::Duration idle_max = absl::Minutes(5);
    // How often an idle connection is proven, for health.
    absl::Duration proof_interval = absl::Seconds(5);
    // How long the work of calls that share a flight may take together; or as long as a round trip
    // takes, if that is more.
    absl::Duration company_work_max = absl::Milliseconds(3);
    // A fresh connection for every call, closed after it: for tests of applications.
    bool one_call_per_connection = false;
  };

  // Serves nobody before PrepareFor(). `line` and `observer` must outlive the pool.
  Pool(const Options& options, admission::Line* line, observe::Observer* observer);
  // Close the Line first: the threads end when it is closed and empty.
  ~Pool();

  // Has the threads that so many connections need: RESOURCE_EXHAUSTED if the system gives them not (those that it gave
  // serve). At the start, and before Adjust.
  absl::Status PrepareFor(int connections_max);
  // From now on; all but jit_strategy, connections_warm, proof_interval and one_call_per_connection. Connections with
  // another login than theirs are replaced, those too many closed, each after the call that has it. One at a time.
  void Adjust(const Options& options);
  // Has all connections that are open now replaced: the idle ones within moments (Options::proof_interval at the
  // latest), the others after the call that has them. Returns how many those are.
  int Reset();

  // Whether the database takes this login: FAILED_PRECONDITION if it does not, UNAVAILABLE if nobody can tell, which
  // takes as long as a connection may, and 5 s at most.
  static absl::Status CheckLogin(Connection::Options options);

  struct Health {
    // When a connection last proved that the database answers.
    absl::Time proven_at = absl::InfinitePast();
    // Whether idle connections go on proving it.
    bool proves_regularly = true;
    int open = 0;
    // Connections that serve a call now.
    int busy = 0;
    // Why there is no connection at all; empty if there is one.
    std::string last_failure;
  };
  Health health() const;
  // All but its URL, and how many of its connections are held.
  observe::PoolState state() const;

 private:
  class Worker;

  void OnOpened(const Connection& connection, absl::Duration took);
  // Of an attempt with the login of this generation.
  void OnFailed(const Connection::OpenFailure& failure, int generation);
  void OnClosed(absl::string_view why, absl::Duration age);
  void OnProven();
  // Whether nobody knows if a connection could be had.
  bool InDoubt() const;
  std::shared_ptr<const Options> options() const;
  std::shared_ptr<const Options> Prepared(Options options);
  static int WarmCount(const Options& options);
  // Until there are so many. Throws what std::thread throws.
  void StartThreads(int count);

  // Attempts to connect are given up.
  std::atomic<bool> closing_{false};
  admission::Line* const line_;
  observe::Observer* const observer_;
  JitPolicy jit_;
  Canceller canceller_;
  Gate gate_;
  RoundTrip round_trip_;

  std::atomic<int> busy_{0};
  // Connections of an earlier one are replaced. Changes under the lock.
  std::atomic<int> generation_{0};
  mutable Mutex mu_;
  // Shared with those who use it while it is replaced.
  std::shared_ptr<const Options> options_ ABSL_GUARDED_BY(mu_);
  Health health_ ABSL_GUARDED_BY(mu_);
  // Of the last connection that was opened.
  observe::PoolState found_ ABSL_GUARDED_BY(mu_);

  int workers_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_POOL_H_
