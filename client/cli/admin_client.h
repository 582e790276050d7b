#ifndef SLUICE_CLIENT_CLI_ADMIN_CLIENT_H_
#define SLUICE_CLIENT_CLI_ADMIN_CLIENT_H_

#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/cli/commands.h"
#include "client/cpp/rpc_status.h"
#include "sluice/v1/admin.grpc.pb.h"

namespace sluice::cli {

// The way to a gateway's operators' port. Without TLS on this machine, where the port speaks none; from elsewhere
// somebody in between has to.
class AdminClient {
 public:
  static absl::StatusOr<AdminClient> Open(const Target& target);

  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (v1::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response, absl::Duration timeout = kTimeout) const {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    if (!authorization_.empty()) context.AddMetadata("authorization", authorization_);
    return client::FromGrpcStatus((stub_.get()->*method)(&context, request, response));
  }

 private:
  // A reload may wait for two connections to the database.
  static constexpr absl::Duration kTimeout = absl::Seconds(30);

  std::shared_ptr<v1::Admin::Stub> stub_;
  std::string authorization_;
};

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_ADMIN_CLIENT_H_
