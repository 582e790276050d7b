#ifndef SLUICE_SERVER_ADMIN_PORT_H_
#define SLUICE_SERVER_ADMIN_PORT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/admin/controls.h"

namespace sluice::admin {

// The operators' door: HTTP on a listener of its own, so that it answers also when every caller's does not.
//   /livez         200 as long as the process answers, whatever became of the database
//   /readyz        200 if health says SERVING, else 503; with why, for who may see it
//   /metrics       for Prometheus
//   /              the status page, for people
//   /statusz.json  what it shows, for programs; /events: the same, again and again
//   POST /calls/N/cancel, with any header X-Sluice: ends the call with that id
// Probes and metrics are for everybody who reaches it. The others are for this machine's own users, and for callers
// with the permission `admin`, by their bearer tokens.
class Port {
 public:
  struct Options {
    // host:port; port 0 is any free one.
    std::string listen;
  };
  // UNAVAILABLE if it can not listen there. What the controls need must outlive it: they are asked for nothing more
  // once it is gone.
  static absl::StatusOr<std::unique_ptr<Port>> Start(const Options& options, Controls controls);
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
