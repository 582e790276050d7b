#ifndef SLUICE_SERVER_BASE_SERVICE_MANAGER_H_
#define SLUICE_SERVER_BASE_SERVICE_MANAGER_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sluice {

// Who started this process as a service and wants to hear of it: systemd, or what speaks its protocol (sd_notify(3),
// sd_watchdog_enabled(3)), a datagram for each word. Nobody, where the environment does not say so.
class ServiceManager {
 public:
  // Takes the variables out of the environment, so that children do not speak for us. Before there are threads.
  static ServiceManager OfEnvironment();

  // How often it wants to hear that all is well, at most: infinite if it does not.
  absl::Duration watchdog_interval() const { return watchdog_interval_; }

  // "READY=1", "STATUS=..."; several, each in a line. Where nobody takes it, nothing happens.
  void Tell(absl::string_view state) const;

 private:
  std::string address_;  // empty for nobody
  absl::Duration watchdog_interval_ = absl::InfiniteDuration();
};

}  // namespace sluice

#endif  // SLUICE_SERVER_BASE_SERVICE_MANAGER_H_
