#ifndef SLUICE_SERVER_ADMIN_PORT_H_
#define SLUICE_SERVER_ADMIN_PORT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/auth/authenticator.h"
#include "server/observe/state.h"

namespace sluice::admin {

// The operators' door: HTTP on a listener of its own, so that it answers also when every caller's does not.
//   /livez         200 as long as the process answers, whatever became of the database
//   /readyz        200 if health says SERVING, else 503; with why, for who may see it
//   /metrics       for Prometheus
//   /statusz.json  what is now, the calls that take longest, and the last errors
//   POST /calls/N/cancel, with any header X-Sluice: ends the call with that id
// The first three are for everybody who reaches it. The others are for this machine's own users, and for callers with
// the permission `admin`, by their bearer tokens.
class Port {
 public:
  struct Options {
    // host:port; port 0 is any free one.
    std::string listen;
  };
  struct Sources {
    std::function<observe::State()> state;
    std::function<std::string()> metrics;
    std::function<std::vector<observe::CallState>(size_t calls_max)> longest_calls;
    std::function<std::vector<observe::ErrorState>()> latest_errors;
    // False if there is no such call (any more).
    std::function<bool(int64_t id)> cancel_call;
    // Null where the gateway does not know its callers: then nobody from elsewhere is one.
    const auth::Authenticator* authenticator = nullptr;
  };

  // UNAVAILABLE if it can not listen there. What the sources need must outlive it: they are asked for nothing more once
  // it is gone.
  static absl::StatusOr<std::unique_ptr<Port>> Start(const Options& options, Sources sources);
  ~Port();

  // With the port in use.
  const std::string& address() const { return address_; }

 private:
  class Desk;
  Port(std::shared_ptr<Desk> desk, std::string address);

  // Shared with the thread, which a visitor who sends byte by byte may hold up: it is left behind then.
  const std::shared_ptr<Desk> desk_;
  const std::string address_;
};

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_PORT_H_
