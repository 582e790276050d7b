#ifndef SLUICE_SERVER_POSTGRES_DISCARD_H_
#define SLUICE_SERVER_POSTGRES_DISCARD_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/postgres/connection.h"

namespace sluice::postgres {

// Why the session may not serve another call, or nullopt if it may. Nothing else decides.
// `age_max` is this connection's own share of the lifetime, with its jitter.
std::optional<absl::string_view> WhyDiscard(const Connection& connection, absl::Duration age_max, absl::Time now);

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_DISCARD_H_
