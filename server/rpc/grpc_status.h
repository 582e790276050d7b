#ifndef SLUICE_SERVER_RPC_GRPC_STATUS_H_
#define SLUICE_SERVER_RPC_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace sluice::rpc {

// With its details (ErrorInfo, RetryInfo, PostgresError) in the trailers.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_GRPC_STATUS_H_
