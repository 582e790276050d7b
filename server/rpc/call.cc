#include "server/rpc/call.h"

#include <grpcpp/support/slice.h>

#include <utility>

#include "absl/time/clock.h"
#include "server/base/error.h"
#include "server/base/errors.h"
#include "server/rpc/grpc_status.h"

namespace sluice::rpc {
namespace {

// In one piece. Not by gRPC's own function: that finds the size out twice, and copies from block to
// block.
grpc::ByteBuffer Serialize(const google::protobuf::Message& message) {
  const size_t size = message.ByteSizeLong();
  grpc_slice slice = grpc_slice_malloc(size);
  message.SerializeWithCachedSizesToArray(GRPC_SLICE_START_PTR(slice));
  const grpc::Slice owner(slice, grpc::Slice::STEAL_REF);
  return grpc::ByteBuffer(&owner, 1);
}

}  // namespace

Call::Call(Facts facts, std::unique_ptr<Work> work, admission::Line* line, observe::Observer* observer,
           grpc::ByteBuffer* reply, grpc::ServerUnaryReactor* reactor)
    : facts_(std::move(facts)),
      work_(std::move(work)),
      bytes_(work_->bytes()),
      line_(*line),
      observer_(*observer),
      reply_(reply),
      reactor_(reactor),
      waiting_since_(facts_.arrived_at) {
  cost_.arrived_at = facts_.arrived_at;
}

void Call::Start() {
  const absl::Status joined = line_.Join(shared_from_this());
  if (!joined.ok()) Refuse(joined);
}

void Call::OnCancel() {
  token_.Cancel();
  LeaveLine();
}

// It was nowhere when it was cancelled, on its way back from a connection.
void Call::OnRejoined() {
  if (token_.cancelled()) LeaveLine();
}

void Call::LeaveLine() {
  // Otherwise a connection has it, or it has been answered.
  if (line_.Leave(this)) Refuse(CancelledStatus());
}

bool Call::Serve(postgres::Connection& connection) {
  BeginTurn();
  query::Turn turn(&connection, &token_, facts_.time, &cost_);
  return EndTurn(work_->Run(&turn));
}

std::vector<admission::WaiterPtr> Call::ServeTogether(std::vector<admission::WaiterPtr> company,
                                                      postgres::Connection& connection) {
  std::vector<query::Companion> companions;
  companions.reserve(company.size());
  for (const admission::WaiterPtr& waiter : company) {
    // Nobody else has a company.
    auto& call = static_cast<Call&>(*waiter);
    call.BeginTurn();
    query::Companion companion = call.work_->AsCompanion();
    companion.cost = &call.cost_;
    companion.token = &call.token_;
    companion.time = call.facts_.time;
    companions.push_back(std::move(companion));
  }
  work_->RunTogether(&companions, &connection);
  std::vector<admission::WaiterPtr> unfinished;
  for (size_t i = 0; i < company.size(); ++i) {
    if (!static_cast<Call&>(*company[i]).EndTurn(companions[i].end)) unfinished.push_back(std::move(company[i]));
  }
  return unfinished;
}

void Call::BeginTurn() { cost_.queue_time += absl::Now() - waiting_since_; }

bool Call::EndTurn(const query::TurnEnd& end) {
  if (!end.again) {
    // Also a turn that came to nothing.
    const bool untouched = !end.status.ok() && OutcomeOf(end.status) == v1::OUTCOME_NOT_STARTED;
    Finish(untouched ? last_turn_.Or(end.status, cost_.statement) : end.status);
    return true;
  }
  last_turn_.Keep(end.status, cost_.statement);
  waiting_since_ = absl::Now();
  if (!token_.cancelled() && waiting_since_ < facts_.time.work_until) return false;
  Refuse(CancelledStatus());
  return true;
}

void Call::Refuse(const absl::Status& refusal) {
  cost_.queue_time += absl::Now() - waiting_since_;
  Finish(work_->GiveUp(last_turn_.Or(refusal, cost_.statement), refusal, cost_));
}

// gRPC cancels a call at its deadline too.
absl::Status Call::CancelledStatus() const {
  const absl::Time now = absl::Now();
  if (now >= facts_.time.work_until) return errors::QueueTimeout(now - waiting_since_, "");
  return token_.draining() ? errors::Draining() : errors::Cancelled(v1::OUTCOME_NOT_STARTED);
}

void Call::Finish(const absl::Status& status) {
  observe::CallFinished event;
  event.method = facts_.method;
  event.caller = facts_.caller.name;
  event.status = status;
  event.queue_time = cost_.queue_time;
  event.database_time = cost_.database_time;
  event.attempts = cost_.attempts;
  if (facts_.echo_sql) event.statements = work_->StatementTexts();
  observer_.Record(event);

  if (!status.ok()) {
    reactor_->Finish(ToGrpcStatus(status));
    return;
  }
  *reply_ = Serialize(work_->response());
  reactor_->Finish(grpc::Status::OK);
}

}  // namespace sluice::rpc
