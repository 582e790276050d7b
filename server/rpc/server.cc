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
#include "server/base/file.h"
#include "server/base/pem.h"
#include "server/base/status_macros.h"
#include "server/rpc/listening.h"

namespace sluice::rpc {
namespace {

absl::Status Wrong(absl::string_view setting, const std::string& path, const absl::Status& why) {
  return absl::InvalidArgumentError(absl::StrCat(setting, ": ", path, " ", why.message()));
}

absl::StatusOr<std::string> ReadCertificates(const std::string& path, absl::string_view setting) {
  absl::StatusOr<std::string> pem = ReadFile(path);
  if (!pem.ok()) return absl::InvalidArgumentError(absl::StrCat(setting, ": ", pem.status().message()));
  if (absl::Status good = CheckCertificates(*pem); !good.ok()) return Wrong(setting, path, good);
  return pem;
}

absl::StatusOr<std::string> ReadKey(const std::string& path, const std::string& chain) {
  absl::StatusOr<std::string> pem = ReadFile(path);
  if (!pem.ok()) return absl::InvalidArgumentError(absl::StrCat("tls_key: ", pem.status().message()));
  if (absl::Status good = CheckKey(*pem, chain); !good.ok()) return Wrong("tls_key", path, good);
  return pem;
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> Credentials(const Server::Options& options) {
  if (options.tls_cert.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  ASSIGN_OR_RETURN(pair.cert_chain, ReadCertificates(options.tls_cert, "tls_cert"));
  ASSIGN_OR_RETURN(pair.private_key, ReadKey(options.tls_key, pair.cert_chain));
  // Without a client CA no certificate is asked for; with one it may be given, and is
  // verified then: callers prove themselves by it or by a token.
  grpc::SslServerCredentialsOptions ssl(options.tls_client_ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                                      : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  ssl.pem_key_cert_pairs.push_back(std::move(pair));
  if (!options.tls_client_ca.empty()) {
    ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadCertificates(options.tls_client_ca, "tls_client_ca"));
  }
  return grpc::SslServerCredentials(ssl);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options, grpc::Service* service) {
  // gRPC's own health service comes without its descriptor, so that reflection lists it
  // and can not describe it (grpc/grpc#36665): linking the message brings it in.
  (void)grpc::health::v1::HealthCheckRequest::descriptor();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials, Credentials(options));
  if (IsServedSocket(options.listen)) {
    return absl::UnavailableError(absl::StrCat("listen: another process serves ", options.listen));
  }
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options.listen, credentials, &port);
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
        absl::StrCat("listen: can not listen on ", options.listen, ": ", WhyNotListen(options.listen)));
  }
  grpc::HealthCheckServiceInterface* health = server->GetHealthCheckService();
  health->SetServingStatus("liveness", true);
  const std::string address =
      unix_socket ? options.listen : absl::StrCat(options.listen.substr(0, options.listen.rfind(':')), ":", port);
  std::unique_ptr<Server> started(new Server(std::move(server), address));
  started->SetReady(false);
  return started;
}

Server::Server(std::unique_ptr<grpc::Server> server, std::string address)
    : server_(std::move(server)), address_(std::move(address)) {}

void Server::SetReady(bool ready) {
  for (const char* service : {"", "sluice.v1.Database", "database/default"}) {
    server_->GetHealthCheckService()->SetServingStatus(service, ready);
  }
}

void Server::Shutdown(absl::Time deadline) { server_->Shutdown(absl::ToChronoTime(deadline)); }

}  // namespace sluice::rpc
