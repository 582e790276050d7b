#include "server/postgres/discard.h"

namespace sluice::postgres {

std::optional<absl::string_view> WhyDiscard(const Connection& connection, absl::Duration age_max, absl::Time now) {
  switch (connection.state()) {
    case SessionState::kIdle: break;
    case SessionState::kLost: return "connection lost";
    case SessionState::kInTransaction: return "left in a transaction";
    case SessionState::kCopying: return "left in COPY";
    case SessionState::kBusy: return "left with an unread answer";
  }
  if (connection.was_ended()) return "connection lost";
  if (connection.cancel_may_still_arrive()) return "a late cancel could hit the next call";
  if (connection.jit_refused()) return "the pooler refuses its JIT setting";
  if (connection.reads_differently()) return "its encoding, or how it reads and writes values, was changed";
  if (now - connection.opened_at() > age_max) return "too old";
  return std::nullopt;
}

}  // namespace sluice::postgres
