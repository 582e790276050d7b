#ifndef SLUICE_SERVER_OBSERVE_EVENTS_H_
#define SLUICE_SERVER_OBSERVE_EVENTS_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace sluice::observe {

// Everything that can be observed of a gateway. The places where something happens say
// what happened; what becomes of it (a log line now, a metric) is decided by observers.

struct GatewayStarted {
  std::string version;
  std::string address;
  std::string database;  // without the password
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
struct CallersReloaded {
  int callers = 0;
};
// The new file was refused and the old callers stay.
struct CallersRefused {
  std::string why;
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
};
// Of the log: more happened than could be written.
struct LinesDropped {
  int64_t lines = 0;
};
struct HealthChanged {
  bool ready = false;
};

struct CallFinished {
  std::string method;
  std::string caller;
  absl::Status status;
  absl::Duration queue_time;
  absl::Duration database_time;
  int attempts = 1;
  // Statement texts, without values; only with --echo_sql.
  std::vector<std::string> statements;
};

using Event = std::variant<GatewayStarted, GatewayDraining, GatewayStopped, SettingIgnored, CallersReloaded,
                           CallersRefused, ConnectionOpened, ConnectionFailed, ConnectionDiscarded, ListenerOpened,
                           ListenerLost, LinesDropped, HealthChanged, CallFinished>;

// Thread-safe; must not block for long.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void Record(const Event& event) = 0;
};

}  // namespace sluice::observe

#endif  // SLUICE_SERVER_OBSERVE_EVENTS_H_
