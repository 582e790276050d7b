#ifndef SLUICE_SERVER_OBSERVE_EVENTS_H_
#define SLUICE_SERVER_OBSERVE_EVENTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/observe/trace.h"

namespace sluice::observe {

// Everything that can be observed of a gateway. The places where something happens say
// what happened; what becomes of it (a log line now, a metric) is decided by observers.

struct GatewayStarted {
  std::string version;
  std::string address;
  std::string admin_address;       // or "off"
  std::string admin_grpc_address;  // the same
  std::string database;            // without the password
  bool tls = false;
  bool insecure = false;
  // How many files and sockets it may have open.
  int64_t descriptors_max = 0;
};
struct GatewayDraining {
  std::string why;
};
struct GatewayStopped {};

// A setting that means nothing here (prepared_statement_cache_size), said once.
struct SettingIgnored {
  std::string setting;
  std::string why;
};
// New settings are in force, but for those that wait for the next start.
struct ConfigurationReloaded {
  std::vector<std::string> changed, waiting;
  // Logins that could not be tried, and why.
  std::vector<std::string> unchecked;
  // Who is known now.
  int callers = 0;
};
// New settings were refused, and everything stays as it was.
struct ConfigurationRefused {
  std::vector<std::string> problems;
};

struct ConnectionOpened {
  std::string server_version;
  int backend_pid = 0;
  bool behind_pooler = false;
  bool tls = false;
  std::string jit_strategy;
  absl::Duration took;
};
struct ConnectionFailed {
  std::string sqlstate;
  std::string message;
  absl::Duration retry_in;
};
struct ConnectionDiscarded {
  std::string why;
  absl::Duration age;
};
// The connection for LISTEN. Also when it could not be opened.
struct ListenerOpened {
  std::string server_version;
  bool behind_pooler = false;
  absl::Duration took;
};
struct ListenerLost {
  std::string why;
  // Whoever had notifications until now is told of a gap.
  bool makes_gap = false;
};
struct NotificationsCame {
  int64_t count = 0;
};
// A collector of traces did not take some, now and then.
struct SpansNotSent {
  std::string why;
};
// Of the log: more happened than could be written.
struct LinesDropped {
  int64_t lines = 0;
};
struct HealthChanged {
  bool ready = false;
};

// One message to PostgreSQL, and what came of it.
struct FlightEnded {
  int statements = 0;
  absl::Duration took;
  // Of those that completed: what they were ("SELECT", "CREATE TABLE").
  std::vector<std::string> commands;
  int64_t rows = 0;
  // Of the statement that failed; empty if none did, or PostgreSQL did not say so.
  std::string sqlstate;
  bool failed = false;
  int64_t bytes_sent = 0;
  // About as many.
  int64_t bytes_received = 0;
  enum class Cancel { kNone, kSent, kCanNot } cancel = Cancel::kNone;
};
// Calls that shared a flight.
struct CompanyServed {
  int calls = 0;
  // Of them, those that got another one's answer.
  int merged = 0;
};
// A call has another turn.
struct CallRetried {
  // Of the error that its last turn ended with.
  std::string reason;
};

enum class CallPriority { kHigh, kNormal, kLow };

struct CallFinished {
  std::string method;
  std::string caller;
  CallPriority priority = CallPriority::kNormal;
  absl::Status status;
  // From its arrival to its answer; zero for what was refused before it was a call.
  absl::Duration took;
  absl::Duration queue_time;
  absl::Duration database_time;
  int round_trips = 0;
  int attempts = 0;
  // Answered with what another call got, now or (with a request_id) before.
  bool is_merged = false;
  bool is_repeated = false;
  // Of a transaction.
  bool is_committed = false;
  // By which its caller finds it again; empty if it named no trace.
  std::string trace_id;
  // Null unless it is sampled.
  std::shared_ptr<const CallTrace> trace;
  // What the caller calls this kind of call; may be empty.
  std::string tag;
  // Statement texts, without values; only with --echo_sql.
  std::vector<std::string> statements;
  // Of an INDEPENDENT batch, which goes well whatever its statements do: those that failed.
  struct FailedStatement {
    size_t index = 0;
    std::string reason;
    std::string outcome;
    std::string sqlstate;
  };
  std::vector<FailedStatement> failed_statements;
  // Reasons of what was done again within a turn, each time.
  std::vector<std::string> conflicts;
  // Of a call whose statements took long: what they are like, without their values. Empty for any other.
  struct SlowStatement {
    std::string shape;
    uint64_t fingerprint = 0;
  };
  std::vector<SlowStatement> slow;
};

using Event = std::variant<GatewayStarted, GatewayDraining, GatewayStopped, SettingIgnored, ConfigurationReloaded,
                           ConfigurationRefused, ConnectionOpened, ConnectionFailed, ConnectionDiscarded,
                           ListenerOpened, ListenerLost, NotificationsCame, LinesDropped, SpansNotSent, HealthChanged,
                           FlightEnded, CompanyServed, CallRetried, CallFinished>;

// Thread-safe; must not block for long.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void Record(const Event& event) = 0;
};

// Several as one.
class Observers : public Observer {
 public:
  // All must outlive it; null is nobody.
  explicit Observers(std::vector<Observer*> all) : all_(std::move(all)) {}

  void Record(const Event& event) override {
    for (Observer* one : all_) {
      if (one != nullptr) one->Record(event);
    }
  }

 private:
  const std::vector<Observer*> all_;
};

}  // namespace sluice::observe

#endif  // SLUICE_SERVER_OBSERVE_EVENTS_H_
