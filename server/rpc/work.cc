#include "server/rpc/work.h"

#include <optional>
#include <utility>

#include "server/base/error.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/query/describe.h"
#include "server/query/execute.h"
#include "server/query/ping.h"
#include "server/query/rpc_status.h"
#include "server/query/stream_rows.h"
#include "server/query/transaction.h"
#include "server/rpc/outgoing.h"
#include "server/rpc/request.h"

namespace sluice::rpc {
namespace {

class Execute : public RequestWork {
 public:
  explicit Execute(Workshop* shop) : shop_(*shop) {}

  absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller& caller, const Limits& limits) override {
    RETURN_IF_ERROR(ParseRequest(bytes, limits.request_bytes_max, &request_));
    set_tag(request_.options());
    ASSIGN_OR_RETURN(plan_, query::PlanExecute(request_, caller, limits.query, &shop_.book));
    return absl::OkStatus();
  }

  query::TurnEnd Run(query::Turn* turn) override {
    return query::Execute(plan_, &shop_.types, &shop_.ledger, turn, &response_);
  }

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
  void RunTogether(std::vector<query::Companion>* companions, postgres::Connection* connection,
                   admission::Line* line) override {
    query::FlyTogether(companions, &shop_.types, connection, line);
  }

  admission::Priority priority() const override { return plan_.priority; }
  std::shared_ptr<const sql::KnownStatement> statement() const override { return plan_.statements[0].bound.known; }
  const google::protobuf::Message* response() const override { return &response_; }
  size_t bytes() const override { return request_.SpaceUsedLong() + plan_.bytes(); }
  std::vector<std::string> StatementTexts() const override { return {request_.statement().sql()}; }

 private:
  Workshop& shop_;
  v1::ExecuteRequest request_;
  query::Plan plan_;
  v1::ExecuteResponse response_;
};

class Batch : public RequestWork {
 public:
  explicit Batch(Workshop* shop) : shop_(*shop) {}

  absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller& caller, const Limits& limits) override {
    RETURN_IF_ERROR(ParseRequest(bytes, limits.request_bytes_max, &request_));
    set_tag(request_.options());
    ASSIGN_OR_RETURN(plan_, query::PlanBatch(request_, caller, limits.query, &shop_.book));
    return absl::OkStatus();
  }

  query::TurnEnd Run(query::Turn* turn) override {
    return independent() ? query::ExecuteIndependent(plan_, &shop_.types, turn, &response_)
                         : query::ExecuteAtomic(plan_, &shop_.types, &shop_.ledger, turn, &response_);
  }

  absl::Status GiveUp(const absl::Status& status, const absl::Status& refusal, const query::CallCost& cost) override {
    const bool untouched = response_.results().empty() && OutcomeOf(status) == v1::OUTCOME_NOT_STARTED;
    if (!independent() || untouched) return status;
    query::GiveUpRest(plan_, status, refusal, cost, &response_);
    return absl::OkStatus();
  }
  std::vector<observe::CallFinished::FailedStatement> FailedStatements() const override {
    std::vector<observe::CallFinished::FailedStatement> failed;
    for (int i = 0; i < response_.results_size(); ++i) {
      if (!response_.results(i).has_error()) continue;
      ErrorFacts facts = FactsOf(query::FromRpcStatus(response_.results(i).error()));
      failed.push_back(
          {static_cast<size_t>(i), facts.reason, std::string(OutcomeName(facts.outcome)), facts.metadata["sqlstate"]});
    }
    return failed;
  }

  admission::Priority priority() const override { return plan_.priority; }
  std::shared_ptr<const sql::KnownStatement> statement() const override { return plan_.statements[0].bound.known; }
  const google::protobuf::Message* response() const override { return &response_; }
  size_t bytes() const override { return request_.SpaceUsedLong() + plan_.bytes(); }

  std::vector<std::string> StatementTexts() const override {
    std::vector<std::string> texts;
    for (const v1::Statement& statement : request_.statements()) texts.push_back(statement.sql());
    return texts;
  }

 private:
  bool independent() const { return request_.mode() == v1::ExecuteBatchRequest::INDEPENDENT; }

  Workshop& shop_;
  v1::ExecuteBatchRequest request_;
  query::Plan plan_;
  v1::ExecuteBatchResponse response_;
};

class Describe : public RequestWork {
 public:
  explicit Describe(Workshop* shop) : shop_(*shop) {}

  absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller& caller, const Limits& limits) override {
    RETURN_IF_ERROR(ParseRequest(bytes, limits.request_bytes_max, &request_));
    set_tag(request_.options());
    ASSIGN_OR_RETURN(query::Description description,
                     query::Description::Of(&request_, caller, limits.query, &shop_.book));
    description_.emplace(std::move(description));
    return absl::OkStatus();
  }

  query::TurnEnd Run(query::Turn* turn) override {
    response_.Clear();
    return description_->Find(&shop_.types, turn, &response_);
  }
  admission::Priority priority() const override { return description_->priority(); }
  const google::protobuf::Message* response() const override { return &response_; }
  size_t bytes() const override { return request_.SpaceUsedLong() + description_->bytes(); }
  std::vector<std::string> StatementTexts() const override { return {request_.statement().sql()}; }

 private:
  Workshop& shop_;
  v1::DescribeRequest request_;
  std::optional<query::Description> description_;
  v1::DescribeResponse response_;
};

class Ping : public RequestWork {
 public:
  absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller&, const Limits& limits) override {
    v1::PingRequest request;
    return ParseRequest(bytes, limits.request_bytes_max, &request);
  }

  query::TurnEnd Run(query::Turn* turn) override { return query::Ping(turn, &response_); }
  const google::protobuf::Message* response() const override { return &response_; }
  size_t bytes() const override { return sizeof(*this); }

 private:
  v1::PingResponse response_;
};

class Stream : public RequestWork {
 public:
  Stream(Workshop* shop, std::shared_ptr<Outgoing> stream) : shop_(*shop), stream_(std::move(stream)) {}

  absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller& caller, const Limits& limits) override {
    RETURN_IF_ERROR(ParseRequest(bytes, limits.request_bytes_max, &request_));
    set_tag(request_.options());
    ASSIGN_OR_RETURN(plan_, query::PlanStream(request_, caller, limits.query, &shop_.book));
    return absl::OkStatus();
  }

  admission::Lane lane() const override { return admission::Lane::kHeld; }
  admission::Priority priority() const override { return plan_.priority; }
  std::shared_ptr<const sql::KnownStatement> statement() const override { return plan_.statements[0].bound.known; }
  query::TurnEnd Run(query::Turn* turn) override { return query::StreamRows(plan_, &shop_.types, turn, stream_.get()); }
  void StopWaiting(const absl::Status&) override { stream_->StopWaiting(); }
  size_t bytes() const override { return request_.SpaceUsedLong() + plan_.bytes(); }
  std::vector<std::string> StatementTexts() const override { return {request_.statement().sql()}; }

 private:
  Workshop& shop_;
  const std::shared_ptr<Outgoing> stream_;
  v1::ExecuteRequest request_;
  query::Plan plan_;
};

class Transact : public RequestWork, private query::Conversation {
 public:
  Transact(Workshop* shop, std::shared_ptr<Outgoing> out, Requests in)
      : shop_(*shop), out_(std::move(out)), in_(std::move(in)) {}

  absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller& caller, const Limits& limits) override {
    in_.set_bytes_max(limits.request_bytes_max);
    v1::TransactRequest request;
    RETURN_IF_ERROR(ParseRequest(bytes, limits.request_bytes_max, &request));
    set_tag(request.begin().options());
    if (!request.has_begin()) return errors::InvalidField("begin", "the first request begins the transaction");
    ASSIGN_OR_RETURN(query::Transaction transaction,
                     query::Transaction::Begin(request.begin(), caller, limits.query, &shop_.book));
    in_.incoming().set_first_limit(transaction.idle_timeout());
    transaction_.emplace(std::move(transaction));
    return absl::OkStatus();
  }

  admission::Lane lane() const override { return admission::Lane::kHeld; }
  admission::Priority priority() const override { return transaction_->priority(); }
  query::TurnEnd Run(query::Turn* turn) override {
    ++shop_.transactions_open;
    query::TurnEnd end = transaction_->Converse(&shop_.types, turn, this);
    --shop_.transactions_open;
    return end;
  }
  void StopWaiting(const absl::Status& why) override {
    in_.incoming().StopWaiting(why);
    out_->StopWaiting();
  }
  size_t bytes() const override { return sizeof(*this) + in_.incoming().bytes(); }
  std::vector<std::string> StatementTexts() const override { return texts_; }

 private:
  absl::StatusOr<Heard> Read(google::protobuf::Message* message, absl::Time until) override {
    ASSIGN_OR_RETURN(const Heard heard, in_.Read(message, until));
    if (heard == Heard::kMessage) KeepTexts(static_cast<const v1::TransactRequest&>(*message));
    return heard;
  }
  // The first ones, of a transaction that may have any number.
  void KeepTexts(const v1::TransactRequest& request) {
    constexpr size_t kTextsMax = 100, kTextBytesMax = 1000;
    const auto keep = [this](const v1::Statement& statement) {
      if (texts_.size() < kTextsMax) texts_.push_back(Shortened(statement.sql(), kTextBytesMax));
    };
    if (request.has_statement()) keep(request.statement());
    for (const v1::Statement& statement : request.batch().statements()) keep(statement);
  }
  Written Write(const google::protobuf::Message& message, absl::Time until) override {
    return out_->Write(message, until);
  }
  void WriteLast(const google::protobuf::Message& message) override { out_->WriteLast(message); }

  Workshop& shop_;
  const std::shared_ptr<Outgoing> out_;
  Requests in_;
  std::vector<std::string> texts_;
  std::optional<query::Transaction> transaction_;
};

}  // namespace

std::unique_ptr<RequestWork> TransactWork(Workshop* shop, std::shared_ptr<Outgoing> out, Requests in) {
  return std::make_unique<Transact>(shop, std::move(out), std::move(in));
}

std::unique_ptr<RequestWork> ExecuteWork(Workshop* shop) { return std::make_unique<Execute>(shop); }

std::unique_ptr<RequestWork> BatchWork(Workshop* shop) { return std::make_unique<Batch>(shop); }

std::unique_ptr<RequestWork> DescribeWork(Workshop* shop) { return std::make_unique<Describe>(shop); }

std::unique_ptr<RequestWork> PingWork() { return std::make_unique<Ping>(); }

std::unique_ptr<RequestWork> StreamWork(Workshop* shop, std::shared_ptr<Outgoing> stream) {
  return std::make_unique<Stream>(shop, std::move(stream));
}

}  // namespace sluice::rpc
