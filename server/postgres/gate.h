#ifndef SLUICE_SERVER_POSTGRES_GATE_H_
#define SLUICE_SERVER_POSTGRES_GATE_H_

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/postgres/fate.h"

namespace sluice::postgres {

// Decides when a connection may be opened, for all of a pool: how many handshakes at
// once, how long to stay away after a failure, how many connections the other side takes.
// Thread-safe.
class Gate {
 public:
  struct Options {
    // Poolers answer about 5 handshakes a second over TLS; a storm of them is what drowns them.
    int handshakes_max = 4;
    absl::Duration backoff_min = absl::Milliseconds(100);
    absl::Duration backoff_max = absl::Seconds(5);
    // Supavisor locks a tenant out after 10 failed logins in 150 s.
    absl::Duration credentials_backoff = absl::Seconds(15);
    // A server that refused one connection more is asked again for it after this.
    absl::Duration shrunk_for = absl::Seconds(30);
  };

  Gate(const Options& options, int connections_max);

  // Waits for the permission to connect. False if the gate was shut meanwhile. Each true
  // must be followed by Opened or Failed; Opened by Closed.
  bool Enter();
  void Opened();
  // Returns how long everybody stays away now.
  absl::Duration Failed(Fate fate, bool too_many_connections);
  // Instead of Failed: it does not matter any more how it ended.
  void Abandoned();
  void Closed();
  // A session was opened, but could not run anything: everybody stays away for a moment.
  void Refused();

  // Another maximum. Where more are open, TakeSurplus says so to as many as are too many, who close theirs; no Closed
  // follows.
  void SetConnectionsMax(int connections_max);
  bool TakeSurplus();
  // What failed may succeed now: nobody stays away any longer.
  void Forgive();

  // Lets all go that wait in Enter.
  void Shut();

 private:
  const Options options_;

  Mutex mu_;
  CondVar changed_;
  int connections_max_ ABSL_GUARDED_BY(mu_);
  int handshakes_ ABSL_GUARDED_BY(mu_) = 0;
  int open_ ABSL_GUARDED_BY(mu_) = 0;
  // What the other side takes, as far as it is known.
  int allowed_ ABSL_GUARDED_BY(mu_);
  absl::Time grow_at_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  int failures_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Time open_again_at_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  bool shut_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_GATE_H_
