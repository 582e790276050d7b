#ifndef SLUICE_SERVER_RPC_CERTIFICATES_H_
#define SLUICE_SERVER_RPC_CERTIFICATES_H_

#include <grpc/grpc_security.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/base/mutex.h"

namespace sluice::rpc {

// What a server shows of itself, and whose clients' certificates it believes. As PEM.
struct Certificates {
  std::string chain, key;
  std::string client_ca;  // empty: clients are asked for no certificate
};

struct CertificateFiles {
  std::string chain, key, client_ca;  // paths; the last one may be empty
};

// Read, and looked at: INVALID_ARGUMENT names the setting and what is wrong.
absl::StatusOr<Certificates> LoadCertificates(const CertificateFiles& files);

// The certificates of a server that listens, which may be replaced meanwhile. Thread-safe.
class CertificateStore {
 public:
  explicit CertificateStore(Certificates certificates) : certificates_(std::move(certificates)) {}

  // For connections from now on; those that are open stay. With a client_ca if and only if there was one before.
  void Replace(Certificates certificates);

  // Of one port. The store must outlive the server.
  std::shared_ptr<grpc::ServerCredentials> Credentials();

 private:
  // gRPC asks at every handshake.
  static grpc_ssl_certificate_config_reload_status Fetch(void* store, grpc_ssl_server_certificate_config** config);

  Mutex mu_;
  Certificates certificates_ ABSL_GUARDED_BY(mu_);
  bool is_new_ ABSL_GUARDED_BY(mu_) = true;
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_CERTIFICATES_H_
