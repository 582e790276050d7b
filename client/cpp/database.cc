#include "client/cpp/database.h"

#include <google/protobuf/util/time_util.h>
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/error.h"
#include "client/cpp/rpc_status.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/base/file.h"
#include "server/base/local_address.h"
#include "server/base/pem.h"
#include "server/base/status_macros.h"
#include "sluice/v1/database.grpc.pb.h"

namespace sluice::client {
namespace {

v1::CallOptions ToProto(const CallOptions& options) {
  v1::CallOptions proto;
  proto.set_read_only(options.read_only);
  proto.set_alone(options.alone);
  if (options.identity.has_value()) *proto.mutable_identity() = *options.identity;
  *proto.mutable_result() = options.result;
  return proto;
}

// How long to wait before another try; nullopt if there must be none.
std::optional<absl::Duration> RetryDelay(const absl::Status& status, bool read_only, int tries) {
  const ErrorFacts facts = FactsOf(status);
  // Even where the gateway says "at once": another gateway has to be found first.
  absl::Duration delay = absl::Milliseconds(20);
  if (!IsFromGateway(status)) {
    // The transport's word: the gateway may have done the work, and not come to say so. CANCELLED,
    // too: we cancel nothing, but a gateway that ends does.
    const bool lost = status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kCancelled;
    if (!read_only || !lost) return std::nullopt;
  } else {
    const bool undone = facts.outcome == v1::OUTCOME_NOT_STARTED || facts.outcome == v1::OUTCOME_ROLLED_BACK;
    if (!facts.retry_after.has_value() || !(undone || read_only)) return std::nullopt;
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

struct Database::Connection {
  std::unique_ptr<v1::Database::Stub> database;
  std::unique_ptr<grpc::health::v1::Health::Stub> health;
  std::string authorization;
  int retries_max = 0;

  void Prepare(absl::Time deadline, grpc::ClientContext* context) const {
    context->set_deadline(absl::ToChronoTime(deadline));
    if (!authorization.empty()) context->AddMetadata("authorization", authorization);
  }

  // After so many tries of which the last one failed: whether another one is safe and can help. Waits until
  // it is time for it.
  bool WaitToTryAgain(const absl::Status& status, bool read_only, int tries, absl::Time deadline) const {
    if (tries == retries_max) return false;
    const std::optional<absl::Duration> delay = RetryDelay(status, read_only, tries);
    if (!delay.has_value() || absl::Now() + *delay >= deadline) return false;
    absl::SleepFor(*delay);
    return true;
  }

  // Calls a method, again where that is safe.
  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (v1::Database::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, bool read_only, absl::Duration timeout, Response* response) const {
    const absl::Time deadline = absl::Now() + timeout;
    for (int tries = 0;; ++tries) {
      grpc::ClientContext context;
      Prepare(deadline, &context);
      response->Clear();
      absl::Status status = FromGrpcStatus((database.get()->*method)(&context, request, response));
      if (status.ok() || !WaitToTryAgain(status, read_only, tries, deadline)) return status;
    }
  }
};

Database::Database(std::shared_ptr<const Connection> connection) : connection_(std::move(connection)) {}

absl::StatusOr<Database> Database::Open(const std::string& target) {
  Options options;
  options.target = target;
  return Open(options);
}

absl::StatusOr<Database> Database::Open(const Options& options) {
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
  if (absl::StartsWith(options.target, "dns:")) arguments.SetServiceConfigJSON(kOneOfMany);
  const std::shared_ptr<grpc::Channel> channel = grpc::CreateCustomChannel(options.target, *credentials, arguments);
  auto connection = std::make_shared<Connection>();
  connection->database = v1::Database::NewStub(channel);
  connection->health = grpc::health::v1::Health::NewStub(channel);
  if (!options.token.empty()) connection->authorization = absl::StrCat("Bearer ", options.token);
  connection->retries_max = options.retries_max;
  return Database(std::move(connection));
}

absl::StatusOr<Result> Database::Execute(const Statement& statement, const CallOptions& options) const {
  v1::ExecuteRequest request;
  *request.mutable_statement() = statement.proto();
  *request.mutable_options() = ToProto(options);
  *request.mutable_transaction() = options.transaction;
  v1::ExecuteResponse response;
  const absl::Status status =
      connection_->Call(&v1::Database::Stub::Execute, request, options.read_only, options.timeout, &response);
  if (!status.ok()) return status;
  return Result(std::move(*response.mutable_result()), std::move(*response.mutable_info()));
}

namespace {

// A stream whose first message, the header, has come: until then it is like any other call.
class StreamCall : public RowStream::Source {
 public:
  StreamCall(const v1::ExecuteRequest& request, v1::Database::Stub* stub,
             const std::function<void(grpc::ClientContext*)>& prepare) {
    prepare(&context_);
    reader_ = stub->ExecuteStream(&context_, request);
    has_first_ = reader_->Read(&first_);
  }
  ~StreamCall() override {
    if (finished_) return;
    context_.TryCancel();
    reader_->Finish();
  }

  bool begun() const { return has_first_; }
  bool Read(v1::ExecuteStreamResponse* message) override {
    if (!first_was_read_) {
      first_was_read_ = true;
      message->Swap(&first_);
      return has_first_;
    }
    return reader_->Read(message);
  }
  absl::Status Finish() override {
    finished_ = true;
    return FromGrpcStatus(reader_->Finish());
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::ExecuteStreamResponse>> reader_;
  v1::ExecuteStreamResponse first_;
  bool has_first_ = false;
  bool first_was_read_ = false;
  bool finished_ = false;
};

}  // namespace

CallOptions Database::StreamOptions() {
  CallOptions options;
  options.timeout = absl::Hours(1);
  return options;
}

RowStream Database::Stream(const Statement& statement, const CallOptions& options) const {
  v1::ExecuteRequest request;
  *request.mutable_statement() = statement.proto();
  *request.mutable_options() = ToProto(options);
  *request.mutable_transaction() = options.transaction;
  const absl::Time deadline = absl::Now() + options.timeout;
  for (int tries = 0;; ++tries) {
    auto call = std::make_unique<StreamCall>(request, connection_->database.get(), [&](grpc::ClientContext* context) {
      connection_->Prepare(deadline, context);
    });
    if (call->begun()) return RowStream(std::move(call));
    const absl::Status status = call->Finish();
    if (!connection_->WaitToTryAgain(status, options.read_only, tries, deadline)) return RowStream(status);
  }
}

namespace {

v1::ExecuteBatchRequest BatchRequest(const std::vector<Statement>& statements, v1::ExecuteBatchRequest::Mode mode,
                                     const CallOptions& options) {
  v1::ExecuteBatchRequest request;
  for (const Statement& statement : statements) *request.add_statements() = statement.proto();
  request.set_mode(mode);
  *request.mutable_options() = ToProto(options);
  *request.mutable_transaction() = options.transaction;
  return request;
}

}  // namespace

absl::StatusOr<std::vector<Result>> Database::ExecuteAtomic(const std::vector<Statement>& statements,
                                                            const CallOptions& options) const {
  const v1::ExecuteBatchRequest request = BatchRequest(statements, v1::ExecuteBatchRequest::ATOMIC, options);
  v1::ExecuteBatchResponse response;
  const absl::Status status =
      connection_->Call(&v1::Database::Stub::ExecuteBatch, request, options.read_only, options.timeout, &response);
  if (!status.ok()) return status;
  std::vector<Result> results;
  for (v1::BatchResult& result : *response.mutable_results()) {
    results.emplace_back(std::move(*result.mutable_result()), response.info());
  }
  return results;
}

absl::StatusOr<std::vector<absl::StatusOr<Result>>> Database::ExecuteIndependent(
    const std::vector<Statement>& statements, const CallOptions& options) const {
  const v1::ExecuteBatchRequest request = BatchRequest(statements, v1::ExecuteBatchRequest::INDEPENDENT, options);
  v1::ExecuteBatchResponse response;
  const absl::Status status =
      connection_->Call(&v1::Database::Stub::ExecuteBatch, request, options.read_only, options.timeout, &response);
  if (!status.ok()) return status;
  std::vector<absl::StatusOr<Result>> results;
  for (v1::BatchResult& result : *response.mutable_results()) {
    if (result.has_error()) {
      results.push_back(FromRpcStatus(result.error()));
    } else {
      results.push_back(Result(std::move(*result.mutable_result()), response.info()));
    }
  }
  return results;
}

namespace {

class TransactCall : public Transaction::Wire {
 public:
  TransactCall(v1::Database::Stub* stub, const std::function<void(grpc::ClientContext*)>& prepare,
               const v1::TransactRequest& begin) {
    prepare(&context_);
    stream_ = stub->Transact(&context_);
    stream_->Write(begin);
  }
  ~TransactCall() override {
    if (finished_) return;
    context_.TryCancel();
    stream_->Finish();
  }

  bool Write(const v1::TransactRequest& request) override { return stream_->Write(request); }
  bool Read(v1::TransactResponse* response) override { return stream_->Read(response); }
  absl::Status Finish() override {
    finished_ = true;
    return FromGrpcStatus(stream_->Finish());
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::TransactRequest, v1::TransactResponse>> stream_;
  bool finished_ = false;
};

}  // namespace

Transaction Database::Begin(const TransactionOptions& options) const {
  v1::TransactRequest request;
  v1::TransactRequest::Begin* begin = request.mutable_begin();
  *begin->mutable_transaction() = options.transaction;
  if (options.identity.has_value()) *begin->mutable_options()->mutable_identity() = *options.identity;
  *begin->mutable_options()->mutable_result() = options.result;
  const auto to_proto = [](absl::Duration duration) {
    return google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(duration));
  };
  *begin->mutable_idle_timeout() = to_proto(options.idle_timeout);
  *begin->mutable_max_lifetime() = to_proto(std::min(options.timeout, absl::Hours(1)));
  const absl::Time deadline = absl::Now() + options.timeout;
  return Transaction(std::make_unique<TransactCall>(
      connection_->database.get(), [&](grpc::ClientContext* context) { connection_->Prepare(deadline, context); },
      request));
}

absl::Status Database::RunTransaction(const std::function<absl::Status(Transaction&)>& work,
                                      const TransactionOptions& options) const {
  const absl::Time deadline = absl::Now() + options.timeout;
  for (int tries = 0;; ++tries) {
    TransactionOptions rest = options;
    rest.timeout = deadline - absl::Now();
    Transaction transaction = Begin(rest);
    absl::Status status = work(transaction);
    if (status.ok() && transaction.state() != v1::TransactResponse::COMMITTED) status = transaction.Commit();
    if (status.ok()) return status;
    const bool is_undone = transaction.state() != v1::TransactResponse::COMMITTED &&
                           transaction.state() != v1::TransactResponse::OUTCOME_UNKNOWN;
    if (!is_undone || !connection_->WaitToTryAgain(status, /*read_only=*/false, tries, deadline)) return status;
  }
}

absl::StatusOr<v1::DescribeResponse> Database::Describe(const Statement& statement, bool plan,
                                                        const CallOptions& options) const {
  v1::DescribeRequest request;
  *request.mutable_statement() = statement.proto();
  *request.mutable_options() = ToProto(options);
  request.set_plan(plan);
  v1::DescribeResponse response;
  const absl::Status status =
      connection_->Call(&v1::Database::Stub::Describe, request, /*read_only=*/true, options.timeout, &response);
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::PingResponse> Database::Ping(absl::Duration timeout) const {
  v1::PingResponse response;
  const absl::Status status = connection_->Call(&v1::Database::Stub::Ping, v1::PingRequest(),
                                                /*read_only=*/true, timeout, &response);
  if (!status.ok()) return status;
  return response;
}

absl::Status Database::CheckHealth(const std::string& service, absl::Duration timeout) const {
  grpc::ClientContext context;
  connection_->Prepare(absl::Now() + timeout, &context);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::health::v1::HealthCheckResponse response;
  absl::Status status = FromGrpcStatus(connection_->health->Check(&context, request, &response));
  if (!status.ok()) return status;
  if (response.status() == grpc::health::v1::HealthCheckResponse::SERVING) return absl::OkStatus();
  return absl::UnavailableError(grpc::health::v1::HealthCheckResponse::ServingStatus_Name(response.status()));
}

}  // namespace sluice::client
