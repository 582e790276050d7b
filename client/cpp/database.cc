#include "client/cpp/database.h"

#include <utility>

#include "client/cpp/connection.h"
#include "client/cpp/rpc_status.h"

namespace sluice::client {

Database::Database(std::shared_ptr<const Connection> connection) : connection_(std::move(connection)) {}

absl::StatusOr<Database> Database::Open(const std::string& target) {
  Options options;
  options.target = target;
  return Open(options);
}

absl::StatusOr<Database> Database::Open(const Options& options) {
  absl::StatusOr<std::shared_ptr<const Connection>> connection = Connection::Open(options);
  if (!connection.ok()) return connection.status();
  return Database(*std::move(connection));
}

namespace {

// Twice does no harm.
bool MayRepeat(const CallOptions& options) { return options.read_only || !options.request_id.empty(); }

}  // namespace

absl::StatusOr<Result> Database::Execute(const Statement& statement, const CallOptions& options) const {
  v1::ExecuteRequest request;
  *request.mutable_statement() = statement.proto();
  *request.mutable_options() = ToProto(options);
  *request.mutable_transaction() = options.transaction;
  v1::ExecuteResponse response;
  const absl::Status status =
      connection_->Call(&v1::Database::Stub::Execute, request, MayRepeat(options), options.timeout, &response);
  if (!status.ok()) return status;
  return Result(std::move(*response.mutable_result()), std::move(*response.mutable_info()));
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
      connection_->Call(&v1::Database::Stub::ExecuteBatch, request, MayRepeat(options), options.timeout, &response);
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
      connection_->Call(&v1::Database::Stub::ExecuteBatch, request, MayRepeat(options), options.timeout, &response);
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

absl::StatusOr<v1::DescribeResponse> Database::Describe(const Statement& statement, bool plan,
                                                        const CallOptions& options) const {
  v1::DescribeRequest request;
  *request.mutable_statement() = statement.proto();
  *request.mutable_options() = ToProto(options);
  request.set_plan(plan);
  v1::DescribeResponse response;
  const absl::Status status =
      connection_->Call(&v1::Database::Stub::Describe, request, /*may_repeat=*/true, options.timeout, &response);
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::PingResponse> Database::Ping(absl::Duration timeout) const {
  v1::PingResponse response;
  const absl::Status status = connection_->Call(&v1::Database::Stub::Ping, v1::PingRequest(),
                                                /*may_repeat=*/true, timeout, &response);
  if (!status.ok()) return status;
  return response;
}

absl::Status Database::CheckHealth(const std::string& service, absl::Duration timeout) const {
  grpc::ClientContext context;
  connection_->Prepare(absl::Now() + timeout, &context);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::health::v1::HealthCheckResponse response;
  absl::Status status = FromGrpcStatus(connection_->health().Check(&context, request, &response));
  if (!status.ok()) return status;
  if (response.status() == grpc::health::v1::HealthCheckResponse::SERVING) return absl::OkStatus();
  return absl::UnavailableError(grpc::health::v1::HealthCheckResponse::ServingStatus_Name(response.status()));
}

}  // namespace sluice::client
