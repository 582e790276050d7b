#include "server/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.pb.h"
#include "server/rpc/listening.h"

namespace sluice::rpc {

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options, std::optional<Certificates> certificates,
                                                      grpc::Service* service) {
  // gRPC's own health service comes without its descriptor, so that reflection lists it
  // and can not describe it (grpc/grpc#36665): linking the message brings it in.
  (void)grpc::health::v1::HealthCheckRequest::descriptor();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  std::unique_ptr<CertificateStore> store;
  if (certificates.has_value()) store = std::make_unique<CertificateStore>(*std::move(certificates));
  if (IsServedSocket(options.listen)) {
    return absl::UnavailableError(absl::StrCat(options.setting, ": another process serves ", options.listen));
  }
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options.listen, store == nullptr ? grpc::InsecureServerCredentials() : store->Credentials(),
                           &port);
  builder.RegisterService(service);
  // A little more than the limit, so that what is just above it gets a reason with its
  // error, and what is far above is not even read.
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.request_bytes_max * 2));
  builder.SetMaxSendMessageSize(-1);
  // What is on its way in, of all callers together: gRPC gathers a message whole before it looks
  // at its size, and takes the caller's word for how large it will be. Past this, connections
  // that hold the most are cut off.
  grpc::ResourceQuota quota("requests");
  quota.Resize(options.requests_bytes_max);
  builder.SetResourceQuota(quota);
  // A client that is gone without a word (a pulled cable) is noticed, and its calls cancelled;
  // clients may ask the same of us, also between their calls.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                             static_cast<int>(absl::ToInt64Milliseconds(options.client_silence_max)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             static_cast<int>(absl::ToInt64Milliseconds(options.client_silence_max / 3)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000);
  // Of one connection at one time: all that may listen can do so on one. (A client library that wants more waits; gRPC
  // 1.51 holds nobody to it who never acknowledges it.)
  constexpr int kCallsPerConnectionMax = 20000;
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kCallsPerConnectionMax);
  // Two gateways on one port would share its callers at random.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const bool unix_socket = absl::StartsWith(options.listen, "unix:");
  if (server == nullptr || (port <= 0 && !unix_socket)) {
    return absl::UnavailableError(
        absl::StrCat(options.setting, ": can not listen on ", options.listen, ": ", WhyNotListen(options.listen)));
  }
  grpc::HealthCheckServiceInterface* health = server->GetHealthCheckService();
  health->SetServingStatus("liveness", true);
  const std::string address =
      unix_socket ? options.listen : absl::StrCat(options.listen.substr(0, options.listen.rfind(':')), ":", port);
  std::unique_ptr<Server> started(new Server(std::move(store), std::move(server), address));
  started->SetReady(false);
  return started;
}

Server::Server(std::unique_ptr<CertificateStore> certificates, std::unique_ptr<grpc::Server> server,
               std::string address)
    : certificates_(std::move(certificates)), server_(std::move(server)), address_(std::move(address)) {}

void Server::SetReady(bool ready) {
  for (const char* service : {"", "sluice.v1.Database", "database/default"}) {
    server_->GetHealthCheckService()->SetServingStatus(service, ready);
  }
}

void Server::Shutdown(absl::Time deadline) { server_->Shutdown(absl::ToChronoTime(deadline)); }

}  // namespace sluice::rpc
