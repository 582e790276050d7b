#ifndef SLUICE_CLIENT_CPP_RPC_STATUS_H_
#define SLUICE_CLIENT_CPP_RPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace sluice::client {

// With the details that error.h reads.
absl::Status FromRpcStatus(const google::rpc::Status& rpc);
absl::Status FromGrpcStatus(const grpc::Status& grpc);

}  // namespace sluice::client

#endif  // SLUICE_CLIENT_CPP_RPC_STATUS_H_
