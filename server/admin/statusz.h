#ifndef SLUICE_SERVER_ADMIN_STATUSZ_H_
#define SLUICE_SERVER_ADMIN_STATUSZ_H_

#include <string>

#include "server/admin/controls.h"
#include "server/observe/state.h"

namespace sluice::admin {

// All that is to be seen, for programs and for the status page. Times are seconds, or RFC 3339; what is not known is
// null. In one line, as server-sent events want it.
std::string StatusAsJson(const Controls& controls);

// One line: "ok", or what keeps it from being ready.
std::string WhyReady(const observe::State& state);

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_STATUSZ_H_
