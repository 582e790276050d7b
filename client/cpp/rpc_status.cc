#include "client/cpp/rpc_status.h"

#include "absl/strings/cord.h"

namespace sluice::client {

absl::Status FromRpcStatus(const google::rpc::Status& rpc) {
  absl::Status status(static_cast<absl::StatusCode>(rpc.code()), rpc.message());
  for (const google::protobuf::Any& detail : rpc.details()) {
    status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return status;
}

absl::Status FromGrpcStatus(const grpc::Status& grpc) {
  if (grpc.ok()) return absl::OkStatus();
  google::rpc::Status rpc;
  if (!grpc.error_details().empty() && rpc.ParseFromString(grpc.error_details())) return FromRpcStatus(rpc);
  return absl::Status(static_cast<absl::StatusCode>(grpc.error_code()), grpc.error_message());
}

}  // namespace sluice::client
