#include "server/rpc/certificates.h"

#include <grpc/grpc.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/file.h"
#include "server/base/pem.h"
#include "server/base/status_macros.h"

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

// gRPC's C++ credentials have their certificates for good; its C API has some that ask for them.
class CoreCredentials : public grpc::ServerCredentials {
 public:
  // Takes over what it is given.
  explicit CoreCredentials(grpc_server_credentials* credentials) : credentials_(credentials) {}
  ~CoreCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* const credentials_;
};

}  // namespace

absl::StatusOr<Certificates> LoadCertificates(const CertificateFiles& files) {
  Certificates certificates;
  ASSIGN_OR_RETURN(certificates.chain, ReadCertificates(files.chain, "tls_cert"));
  ASSIGN_OR_RETURN(certificates.key, ReadKey(files.key, certificates.chain));
  if (!files.client_ca.empty()) {
    ASSIGN_OR_RETURN(certificates.client_ca, ReadCertificates(files.client_ca, "tls_client_ca"));
  }
  return certificates;
}

void CertificateStore::Replace(Certificates certificates) {
  MutexLock lock(&mu_);
  certificates_ = std::move(certificates);
  is_new_ = true;
}

std::shared_ptr<grpc::ServerCredentials> CertificateStore::Credentials() {
  MutexLock lock(&mu_);
  // Without a client CA no certificate is asked for; with one it may be given, and is
  // verified then: callers prove themselves by it or by a token.
  const grpc_ssl_client_certificate_request_type asks_for = certificates_.client_ca.empty()
                                                                ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                                : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
  grpc_ssl_server_credentials_options* options =
      grpc_ssl_server_credentials_create_options_using_config_fetcher(asks_for, &Fetch, this);
  return std::make_shared<CoreCredentials>(grpc_ssl_server_credentials_create_with_options(options));
}

grpc_ssl_certificate_config_reload_status CertificateStore::Fetch(void* store,
                                                                  grpc_ssl_server_certificate_config** config) {
  auto& self = *static_cast<CertificateStore*>(store);
  MutexLock lock(&self.mu_);
  if (!std::exchange(self.is_new_, false)) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  const Certificates& now = self.certificates_;
  const grpc_ssl_pem_key_cert_pair pair = {now.key.c_str(), now.chain.c_str()};
  // gRPC 1.51 wants some CA here (it aborts without), also where no client is asked for a certificate.
  const std::string& client_ca = now.client_ca.empty() ? now.chain : now.client_ca;
  *config = grpc_ssl_server_certificate_config_create(client_ca.c_str(), &pair, 1);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

}  // namespace sluice::rpc
