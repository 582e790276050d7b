#include "client/cpp/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/file.h"
#include "server/base/local_address.h"
#include "server/base/pem.h"
#include "server/base/status_macros.h"

namespace sluice::client {
namespace {

// A gateway that drains, or has lost its database, gets no calls while another one is ready.
constexpr char kOneOfMany[] =
    R"({"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": "sluice.v1.Database"}})";

// Nothing if there is no path.
absl::Status ReadCertificates(const std::string& path, std::string* pem) {
  if (path.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(*pem, ReadFile(path));
  const absl::Status good = CheckCertificates(*pem);
  return good.ok() ? good : absl::InvalidArgumentError(absl::StrCat(path, " ", good.message()));
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const Database::Options& options) {
  if (!options.tls && options.ca_file.empty() && options.cert_file.empty() && options.key_file.empty()) {
    if (!options.token.empty() && !IsLocalAddress(options.target)) {
      return absl::InvalidArgumentError("a token would travel in the clear: set tls or ca_file");
    }
    return grpc::InsecureChannelCredentials();
  }
  if (options.cert_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError("cert_file and key_file go together");
  }
  grpc::SslCredentialsOptions ssl;
  RETURN_IF_ERROR(ReadCertificates(options.ca_file, &ssl.pem_root_certs));
  RETURN_IF_ERROR(ReadCertificates(options.cert_file, &ssl.pem_cert_chain));
  if (!options.key_file.empty()) {
    ASSIGN_OR_RETURN(ssl.pem_private_key, ReadFile(options.key_file));
    if (absl::Status good = CheckKey(ssl.pem_private_key, ssl.pem_cert_chain); !good.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(options.key_file, " ", good.message()));
    }
  }
  return grpc::SslCredentials(ssl);
}

}  // namespace

bool NamesManyGateways(const std::string& target) {
  return absl::StartsWith(target, "dns:") || absl::StartsWith(target, "ipv4:") || absl::StartsWith(target, "ipv6:");
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(const Database::Options& options) {
  if (options.target.empty()) return absl::InvalidArgumentError("target is empty: host:port, or unix:/path");
  for (const char c : options.token) {
    // gRPC ends the process on any other.
    if (c < 0x21 || c > 0x7e) {
      return absl::InvalidArgumentError("the token has a character that no token has: a newline at its end?");
    }
  }
  absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> credentials = Credentials(options);
  if (!credentials.ok()) return credentials.status();
  grpc::ChannelArguments arguments;
  // The gateway's setting reply_bytes_max is the limit.
  arguments.SetMaxReceiveMessageSize(-1);
  // http_proxy is meant for the Internet; a token that may stay on this machine must.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A subscription waits for as long as nobody notifies, and a host can vanish without a word.
  const int64_t silence_ms = absl::ToInt64Milliseconds(std::max(options.silence_max, absl::Seconds(20)));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(silence_ms * 2 / 3));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(silence_ms / 3));
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  if (NamesManyGateways(options.target)) arguments.SetServiceConfigJSON(kOneOfMany);
  return grpc::CreateCustomChannel(options.target, *credentials, arguments);
}

}  // namespace sluice::client
