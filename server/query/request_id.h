#ifndef SLUICE_SERVER_QUERY_REQUEST_ID_H_
#define SLUICE_SERVER_QUERY_REQUEST_ID_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/auth/caller.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

// What makes a call the same as one before.
struct RequestId {
  // Callers do not see each other's.
  std::string caller;
  std::string id;
  // SHA-256, in hexadecimal, of all that was asked for.
  std::string fingerprint;
};

// Of a call that has one; INVALID_FIELD, INVALID_TEXT.
absl::StatusOr<std::optional<RequestId>> RequestIdOf(const v1::ExecuteRequest& request, const auth::Caller& caller);
absl::StatusOr<std::optional<RequestId>> RequestIdOf(const v1::ExecuteBatchRequest& request,
                                                     const auth::Caller& caller);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_REQUEST_ID_H_
