#include "client/cpp/error.h"

#include "absl/strings/match.h"

namespace sluice::client {

bool IsFromGateway(const absl::Status& status) { return !ReasonOf(status).empty(); }

Outcome OutcomeOf(const absl::Status& status) {
  if (IsFromGateway(status)) return sluice::OutcomeOf(status);
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented: return v1::OUTCOME_NOT_STARTED;
    case absl::StatusCode::kUnavailable: break;
    default: return v1::OUTCOME_UNKNOWN;
  }
  // What gRPC says while it has no connection at all.
  for (const char* before : {"failed to connect to all addresses", "DNS resolution failed", "empty address list"}) {
    if (absl::StartsWith(status.message(), before)) return v1::OUTCOME_NOT_STARTED;
  }
  return v1::OUTCOME_UNKNOWN;
}

}  // namespace sluice::client
