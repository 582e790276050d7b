#include "server/rpc/database_service.h"

#include <grpcpp/security/auth_context.h>

#include <iterator>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/query/execute.h"
#include "server/query/ping.h"
#include "server/rpc/grpc_status.h"
#include "server/rpc/request.h"

namespace sluice::rpc {

// Work that begins with the bytes of a request.
class RequestWork : public Work {
 public:
  // Reads the request and checks it as far as that can be done without a connection.
  virtual absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller& caller,
                               const DatabaseService::Options& options) = 0;
};

// gRPC's handle on a call. Deletes itself when gRPC is done with it.
class CallReactor : public grpc::ServerUnaryReactor {
 public:
  explicit CallReactor(DatabaseService* service) : service_(*service) {
    ++service_.calls_in_progress_;
    ++service_.calls_taken_;
    MutexLock lock(&service_.mu_);
    service_.reactors_.insert(this);
  }
  ~CallReactor() override {
    {
      MutexLock lock(&service_.mu_);
      service_.reactors_.erase(this);
    }
    --service_.calls_in_progress_;
  }

  void Attach(std::shared_ptr<Call> call) {
    MutexLock lock(&service_.mu_);
    call_ = std::move(call);
  }
  // Without the lock: gRPC calls it when Start has returned this reactor, and with it what Attach did.
  void OnCancel() override {
    if (call_ != nullptr) call_->OnCancel();
  }
  void OnDone() override { delete this; }
  // Under the service's lock: the reactor lives.
  std::shared_ptr<Call> call() const { return call_; }

 private:
  DatabaseService& service_;
  std::shared_ptr<Call> call_;
};

namespace {

class ExecuteWork : public RequestWork {
 public:
  ExecuteWork(query::TypeCatalog* types, sql::StatementBook* book) : types_(*types), book_(*book) {}

  absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller& caller,
                       const DatabaseService::Options& options) override {
    RETURN_IF_ERROR(ParseRequest(bytes, options.request_bytes_max, &request_));
    ASSIGN_OR_RETURN(plan_, query::PlanExecute(request_, caller, options.limits, &book_));
    return absl::OkStatus();
  }

  query::TurnEnd Run(query::Turn* turn) override { return query::Execute(plan_, &types_, turn, &response_); }

  admission::Company company(const query::CallCost& cost) const override {
    if (plan_.sharing == query::Sharing::kNone || cost.flies_alone) return {};
    const sql::StatementCost& known = plan_.statements[0].bound.known->cost;
    if (!known.is_cheap()) return {};
    // When a group of writes is cut short in its commit, nobody knows what became of any of them.
    const bool writes = plan_.sharing == query::Sharing::kWrites;
    return {plan_.company, plan_.content, known.typical(), writes ? absl::Seconds(1) : absl::ZeroDuration()};
  }
  query::Companion AsCompanion() override {
    query::Companion companion;
    companion.plan = &plan_;
    companion.response = &response_;
    return companion;
  }
  void RunTogether(std::vector<query::Companion>* companions, postgres::Connection* connection) override {
    query::FlyTogether(companions, &types_, connection);
  }

  const google::protobuf::Message& response() const override { return response_; }
  size_t bytes() const override { return request_.SpaceUsedLong() + plan_.bytes(); }
  std::vector<std::string> StatementTexts() const override { return {request_.statement().sql()}; }

 private:
  query::TypeCatalog& types_;
  sql::StatementBook& book_;
  v1::ExecuteRequest request_;
  query::Plan plan_;
  v1::ExecuteResponse response_;
};

class BatchWork : public RequestWork {
 public:
  BatchWork(query::TypeCatalog* types, sql::StatementBook* book) : types_(*types), book_(*book) {}

  absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller& caller,
                       const DatabaseService::Options& options) override {
    RETURN_IF_ERROR(ParseRequest(bytes, options.request_bytes_max, &request_));
    ASSIGN_OR_RETURN(plan_, query::PlanBatch(request_, caller, options.limits, &book_));
    return absl::OkStatus();
  }

  query::TurnEnd Run(query::Turn* turn) override {
    return independent() ? query::ExecuteIndependent(plan_, &types_, turn, &response_)
                         : query::ExecuteAtomic(plan_, &types_, turn, &response_);
  }

  absl::Status GiveUp(const absl::Status& status, const absl::Status& refusal, const query::CallCost& cost) override {
    const bool untouched = response_.results().empty() && OutcomeOf(status) == v1::OUTCOME_NOT_STARTED;
    if (!independent() || untouched) return status;
    query::GiveUpRest(plan_, status, refusal, cost, &response_);
    return absl::OkStatus();
  }

  const google::protobuf::Message& response() const override { return response_; }
  size_t bytes() const override { return request_.SpaceUsedLong() + plan_.bytes(); }

  std::vector<std::string> StatementTexts() const override {
    std::vector<std::string> texts;
    for (const v1::Statement& statement : request_.statements()) texts.push_back(statement.sql());
    return texts;
  }

 private:
  bool independent() const { return request_.mode() == v1::ExecuteBatchRequest::INDEPENDENT; }

  query::TypeCatalog& types_;
  sql::StatementBook& book_;
  v1::ExecuteBatchRequest request_;
  query::Plan plan_;
  v1::ExecuteBatchResponse response_;
};

class PingWork : public RequestWork {
 public:
  absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller&,
                       const DatabaseService::Options& options) override {
    v1::PingRequest request;
    return ParseRequest(bytes, options.request_bytes_max, &request);
  }

  query::TurnEnd Run(query::Turn* turn) override { return query::Ping(turn, &response_); }
  const google::protobuf::Message& response() const override { return response_; }
  size_t bytes() const override { return sizeof(*this); }

 private:
  v1::PingResponse response_;
};

auth::Credentials CredentialsOf(const grpc::CallbackServerContext& context) {
  auth::Credentials credentials;
  const auto& metadata = context.client_metadata();
  const auto [header, end] = metadata.equal_range("authorization");
  if (header != end) credentials.authorization = std::string(header->second.data(), header->second.size());
  // Two are one too many to believe any.
  if (header != end && std::next(header) != end) credentials.authorization = "";
  for (const grpc::string_ref& san : context.auth_context()->FindPropertyValues("x509_subject_alternative_name")) {
    credentials.certificate_sans.emplace_back(san.data(), san.size());
  }
  return credentials;
}

}  // namespace

DatabaseService::DatabaseService(const Options& options, const auth::Authenticator* authenticator,
                                 admission::Line* line, observe::Observer* observer)
    : options_(options), authenticator_(*authenticator), line_(*line), observer_(*observer) {}

grpc::ServerUnaryReactor* DatabaseService::Execute(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* request, grpc::ByteBuffer* reply) {
  return Start("Execute", std::make_unique<ExecuteWork>(&types_, &book_), context, request, reply);
}

grpc::ServerUnaryReactor* DatabaseService::ExecuteBatch(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request, grpc::ByteBuffer* reply) {
  return Start("ExecuteBatch", std::make_unique<BatchWork>(&types_, &book_), context, request, reply);
}

grpc::ServerUnaryReactor* DatabaseService::Ping(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                grpc::ByteBuffer* reply) {
  return Start("Ping", std::make_unique<PingWork>(), context, request, reply);
}

grpc::ServerUnaryReactor* DatabaseService::Start(const char* method, std::unique_ptr<RequestWork> work,
                                                 grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                 grpc::ByteBuffer* reply) {
  Call::Facts facts;
  facts.method = method;
  facts.arrived_at = absl::Now();
  facts.echo_sql = options_.echo_sql;
  const absl::Time deadline = absl::FromChrono(context->deadline());
  // No deadline comes as the last instant of the clock.
  const bool has_deadline = deadline - facts.arrived_at < absl::Hours(24 * 365);
  facts.time = has_deadline ? TimeBudget::OfCaller(facts.arrived_at, deadline)
                            : TimeBudget::Of(facts.arrived_at, options_.call_timeout);

  auto* reactor = new CallReactor(this);
  const auto refuse = [&](const absl::Status& status) {
    observe::CallFinished event;
    event.method = method;
    event.caller = facts.caller.name;
    event.status = status;
    observer_.Record(event);
    reactor->Finish(ToGrpcStatus(status));
    return reactor;
  };
  absl::StatusOr<auth::Caller> caller = authenticator_.Identify(CredentialsOf(*context));
  if (!caller.ok()) return refuse(caller.status());
  facts.caller = *std::move(caller);
  const absl::Status prepared = work->Prepare(*request, facts.caller, options_);
  if (!prepared.ok()) return refuse(prepared);

  auto call = std::make_shared<Call>(std::move(facts), std::move(work), &line_, &observer_, reply, reactor);
  reactor->Attach(call);
  call->Start();
  return reactor;
}

void DatabaseService::DrainCalls() {
  std::vector<std::shared_ptr<Call>> calls;
  {
    MutexLock lock(&mu_);
    for (const CallReactor* reactor : reactors_) {
      if (reactor->call() != nullptr) calls.push_back(reactor->call());
    }
  }
  for (const std::shared_ptr<Call>& call : calls) call->Drain();
}

}  // namespace sluice::rpc
