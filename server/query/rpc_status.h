#ifndef SLUICE_SERVER_QUERY_RPC_STATUS_H_
#define SLUICE_SERVER_QUERY_RPC_STATUS_H_

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace sluice::query {

// An error with its details (ErrorInfo, RetryInfo, PostgresError) as the message that
// gRPC carries in its trailers. Under 4 KiB: larger trailers are replaced by the
// transport with an unrelated error, so the largest details are dropped first.
google::rpc::Status ToRpcStatus(const absl::Status& status);
// The error, with those details that it still has.
absl::Status FromRpcStatus(const google::rpc::Status& rpc);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_RPC_STATUS_H_
