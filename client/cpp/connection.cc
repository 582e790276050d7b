#include "client/cpp/connection.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/error.h"
#include "server/base/file.h"
#include "server/base/local_address.h"
#include "server/base/pem.h"
#include "server/base/status_macros.h"

namespace sluice::client {
namespace {

// How long to wait before another try; nullopt if there must be none.
std::optional<absl::Duration> RetryDelay(const absl::Status& status, bool may_repeat, int tries) {
  const ErrorFacts facts = FactsOf(status);
  // Even where the gateway says "at once": another gateway has to be found first.
  absl::Duration delay = absl::Milliseconds(20);
  if (!IsFromGateway(status)) {
    // The transport's word: the gateway may have done the work, and not come to say so. CANCELLED,
    // too: we cancel nothing, but a gateway that ends does.
    const bool lost = status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kCancelled;
    if (!may_repeat || !lost) return std::nullopt;
  } else {
    const bool undone = facts.outcome == v1::OUTCOME_NOT_STARTED || facts.outcome == v1::OUTCOME_ROLLED_BACK;
    if (!facts.retry_after.has_value() || !(undone || may_repeat)) return std::nullopt;
    delay = std::max(delay, *facts.retry_after);
  }
  // Those that were refused together do not come back together.
  static thread_local absl::BitGen random;
  return delay * (1 << std::min(tries, 6)) * absl::Uniform(random, 0.75, 1.25);
}

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

v1::CallOptions ToProto(const CallOptions& options) {
  v1::CallOptions proto;
  proto.set_read_only(options.read_only);
  proto.set_alone(options.alone);
  proto.set_request_id(options.request_id);
  proto.set_priority(options.priority);
  proto.set_tag(options.tag);
  if (options.identity.has_value()) *proto.mutable_identity() = *options.identity;
  *proto.mutable_result() = options.result;
  return proto;
}

absl::StatusOr<std::shared_ptr<const Connection>> Connection::Open(const Database::Options& options) {
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
  const bool has_many_gateways = absl::StartsWith(options.target, "dns:") ||
                                 absl::StartsWith(options.target, "ipv4:") || absl::StartsWith(options.target, "ipv6:");
  if (has_many_gateways) arguments.SetServiceConfigJSON(kOneOfMany);
  const std::shared_ptr<grpc::Channel> channel = grpc::CreateCustomChannel(options.target, *credentials, arguments);
  auto connection = std::make_shared<Connection>();
  connection->database_ = v1::Database::NewStub(channel);
  connection->health_ = grpc::health::v1::Health::NewStub(channel);
  if (!options.token.empty()) connection->authorization_ = absl::StrCat("Bearer ", options.token);
  connection->has_many_gateways_ = has_many_gateways;
  connection->retries_max_ = options.retries_max;
  return connection;
}

void Connection::Prepare(absl::Time deadline, grpc::ClientContext* context) const {
  context->set_deadline(absl::ToChronoTime(deadline));
  // One of several that is gone comes back, or another one does.
  context->set_wait_for_ready(has_many_gateways_);
  if (!authorization_.empty()) context->AddMetadata("authorization", authorization_);
}

bool Connection::MayBeDone(const absl::Status& status) { return OutcomeOf(status) == v1::OUTCOME_UNKNOWN; }

absl::Status Connection::Told(const absl::Status& status, bool may_be_done) {
  if (status.ok() || !may_be_done || OutcomeOf(status) == v1::OUTCOME_UNKNOWN) return status;
  if (!IsFromGateway(status)) {
    // (OutcomeOf goes by what gRPC says first.)
    return absl::Status(status.code(), absl::StrCat("an earlier try may have been done; ", status.message()));
  }
  const ErrorFacts facts = FactsOf(status);
  // A verdict on the work says that it had not been done before; that this try has come to nothing does not.
  const bool is_of_this_try = facts.outcome == v1::OUTCOME_NOT_STARTED || facts.retry_after.has_value();
  return is_of_this_try ? WithOutcome(status, v1::OUTCOME_UNKNOWN) : status;
}

bool Connection::WaitToTryAgain(const absl::Status& status, bool may_repeat, int tries, absl::Time deadline) const {
  if (tries == retries_max_) return false;
  const std::optional<absl::Duration> delay = RetryDelay(status, may_repeat, tries);
  if (!delay.has_value() || absl::Now() + *delay >= deadline) return false;
  absl::SleepFor(*delay);
  return true;
}

}  // namespace sluice::client
