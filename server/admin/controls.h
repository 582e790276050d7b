#ifndef SLUICE_SERVER_ADMIN_CONTROLS_H_
#define SLUICE_SERVER_ADMIN_CONTROLS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/auth/authenticator.h"
#include "server/observe/state.h"

namespace sluice::admin {

// What came of reading the settings again: the names of those that are new, and of those that wait for the next start;
// and which logins could not be tried, and why.
struct Reloaded {
  std::vector<std::string> changed, waiting, unchecked;
};

// What operators can see and do, by whichever door they come. Thread-safe, and there as long as the doors are.
struct Controls {
  std::function<observe::State()> state;
  std::function<observe::Totals()> totals;
  // For Prometheus.
  std::function<std::string()> metrics;
  // Of those that came behind the call with this id (0: all), the longest first.
  std::function<std::vector<observe::CallState>(size_t calls_max, int64_t after)> longest_calls;
  // By what they took in all.
  std::function<std::vector<observe::StatementState>(size_t count_max)> costliest_statements;
  std::function<std::vector<observe::ErrorState>()> latest_errors;
  // As they are in force, without secrets.
  std::function<std::vector<observe::SettingState>()> settings;

  // False if there is no such call (any more).
  std::function<bool(int64_t id)> cancel_call;
  // Has the connections replaced; returns how many there are.
  std::function<int()> reset_pool;
  // On another thread, which calls `done` once: CONFIGURATION_REFUSED, DRAINING.
  std::function<void(std::function<void(const absl::StatusOr<Reloaded>&)> done)> reload;
  // Begins to; with another grace than the setting, if it is given.
  std::function<void(std::optional<absl::Duration> grace)> drain;

  // Null where the gateway does not know its callers: then nobody from elsewhere is an operator.
  const auth::Authenticator* authenticator = nullptr;
};

// Whether these are the credentials of a caller who may operate the gateway from elsewhere: TOKEN_MISSING,
// TOKEN_INVALID, OPERATORS_ONLY.
absl::Status CheckOperator(const Controls& controls, const auth::Credentials& credentials);

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_CONTROLS_H_
