#ifndef SLUICE_SERVER_ADMIN_STATUSZ_H_
#define SLUICE_SERVER_ADMIN_STATUSZ_H_

#include <string>
#include <vector>

#include "server/observe/state.h"

namespace sluice::admin {

// The state for programs. Times are seconds, or RFC 3339; what is not known is null.
std::string StatusAsJson(const observe::State& state, const std::vector<observe::CallState>& calls,
                         const std::vector<observe::ErrorState>& errors);

// One line: "ok", or what keeps it from being ready.
std::string WhyReady(const observe::State& state);

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_STATUSZ_H_
