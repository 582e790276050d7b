#ifndef SLUICE_SERVER_RPC_SERVER_H_
#define SLUICE_SERVER_RPC_SERVER_H_

#include <grpcpp/server.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/rpc/certificates.h"

namespace sluice::rpc {

// The listening gRPC server with health and reflection. Thread-safe.
class Server {
 public:
  struct Options {
    std::string listen;              // host:port or unix:/path
    std::string setting = "listen";  // where that comes from, for errors
    int64_t request_bytes_max = 4 << 20;
    size_t requests_bytes_max = 512 << 20;
    // A client from which nothing came for so long is asked whether it is still there, and has
    // a third of that time to answer.
    absl::Duration client_silence_max = absl::Seconds(60);
  };

  // Serves `service`, which must outlive the server; without certificates in plain text. Health begins as NOT_SERVING,
  // but "liveness" as SERVING.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options, std::optional<Certificates> certificates,
                                                       grpc::Service* service);

  // As clients reach it: with the port that was free if 0 was asked for.
  const std::string& address() const { return address_; }

  // Health of "", "sluice.v1.Database" and "database/default".
  void SetReady(bool ready);
  // For connections from now on; of a server that has certificates.
  void Replace(Certificates certificates) { certificates_->Replace(std::move(certificates)); }
  // Gives calls in progress until `deadline`, then cancels them; returns when all are done.
  void Shutdown(absl::Time deadline);

 private:
  Server(std::unique_ptr<CertificateStore> certificates, std::unique_ptr<grpc::Server> server, std::string address);

  const std::unique_ptr<CertificateStore> certificates_;  // null without TLS
  const std::unique_ptr<grpc::Server> server_;
  const std::string address_;
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_SERVER_H_
