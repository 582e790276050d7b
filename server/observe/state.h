#ifndef SLUICE_SERVER_OBSERVE_STATE_H_
#define SLUICE_SERVER_OBSERVE_STATE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace sluice::observe {

// What is now, rather than what has happened.
struct PoolState {
  // As health calls it ("database/default").
  std::string name = "default";
  // Its URL, without credentials.
  std::string url;
  int connections_max = 0;
  int open = 0;
  // Of them, those that serve a call, and those that one stream or transaction has for itself.
  int used = 0;
  int held = 0;
  // Of the last connection that was opened; empty before the first.
  std::string server_version;
  std::string jit_strategy;
  bool behind_pooler = false;
  bool tls = false;
  // Infinite until it is known.
  absl::Duration round_trip = absl::InfiniteDuration();
  // Why there is no connection at all; empty if there is one.
  std::string last_failure;
};

struct CallState {
  // Of this gateway, as long as it runs.
  int64_t id = 0;
  std::string method;
  std::string caller;
  std::string tag;
  absl::Time arrived_at;
  // Else it waits for one.
  bool has_connection = false;
  // 0 behind a pooler.
  int backend_pid = 0;
  // Its first statement without values; empty if it is not known.
  std::string statement;
};

// Errors that callers were told, of one reason and outcome.
struct ErrorState {
  std::string reason;
  std::string outcome;
  int64_t count = 0;
  absl::Time last_at;
  // Of the last one; may be empty.
  std::string sqlstate;
  std::string method;
  std::string caller;
  std::string tag;
};

// Of statements that are alike: since the first of those that are remembered.
struct StatementState {
  std::string shape;
  uint64_t fingerprint = 0;
  int64_t calls = 0;
  // The way there and back not included.
  absl::Duration total_time;
};

// Since the start.
struct Totals {
  int64_t calls = 0, failures = 0;
  // Messages to the database, and the statements in them.
  int64_t flights = 0, statements = 0;
  int64_t rows = 0, retries = 0;
  struct Bucket {
    // Not more than this, and more than the one before; infinity in the last one.
    double up_to = 0;
    int64_t count = 0;
  };
  // Calls by the seconds that they took, and flights by the statements in them.
  std::vector<Bucket> durations, sizes;
};

struct SettingState {
  std::string name;
  // As it is in force, without secrets.
  std::string text;
  // "--listen", "DATABASE_URL", "sluice.conf:3"; "default".
  std::string source;
};

struct LineState {
  // By CallPriority.
  std::array<size_t, 3> waiting = {};
  absl::Duration oldest_wait;
  size_t bytes = 0;
};

struct State {
  std::string version;
  absl::Time started_at;
  bool ready = false;
  bool draining = false;
  int calls_in_progress = 0;
  // Calls of Transact that have a connection.
  int transactions_open = 0;
  // Who listens to notifications.
  int subscribers = 0;
  // Since the start: the log had no room for them.
  int64_t log_lines_dropped = 0;
  PoolState pool;
  LineState line;
};

}  // namespace sluice::observe

#endif  // SLUICE_SERVER_OBSERVE_STATE_H_
