#include "server/rpc/call.h"

#include <utility>

#include "absl/time/clock.h"
#include "server/base/error.h"
#include "server/base/errors.h"
#include "server/sql/shape.h"

namespace sluice::rpc {
Call::Call(Facts facts, std::unique_ptr<Work> work, admission::Line* line, observe::Observer* observer, Door* door)
    : facts_(std::move(facts)),
      work_(std::move(work)),
      line_(*line),
      observer_(*observer),
      door_(door),
      trace_(facts_.caller_trace.has_value() && facts_.caller_trace->sampled
                 ? std::make_shared<observe::CallTrace>(*facts_.caller_trace)
                 : nullptr),
      waiting_since_(facts_.arrived_at) {
  cost_.arrived_at = facts_.arrived_at;
  cost_.trace = trace_.get();
  cost_.slow_after = facts_.slow_call;
}

void Call::Start() {
  waiting_since_ = absl::Now();
  bytes_ = work_->bytes();
  const absl::Status joined = line_.Join(shared_from_this());
  if (!joined.ok()) Refuse(joined);
}

void Call::OnCancel() {
  token_.Cancel();
  work_->StopWaiting(token_.WhyEnded(v1::OUTCOME_NOT_STARTED));
  LeaveLine();
}

void Call::CancelForOperator() {
  token_.CancelForOperator();
  work_->StopWaiting(token_.WhyEnded(v1::OUTCOME_NOT_STARTED));
  LeaveLine();
}

observe::CallState Call::state() const {
  observe::CallState state;
  state.method = facts_.method;
  state.caller = facts_.caller.name;
  state.tag = work_->tag();
  state.arrived_at = facts_.arrived_at;
  state.has_connection = has_connection_;
  state.backend_pid = has_connection_ ? backend_pid_.load() : 0;
  if (const std::shared_ptr<const sql::KnownStatement> known = work_->statement()) {
    state.statement = sql::ShapeOf(known->text).text;
  }
  return state;
}

void Call::Drain() {
  token_.Drain();
  work_->StopWaiting(token_.WhyEnded(v1::OUTCOME_NOT_STARTED));
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
  BeginTurn(connection);
  query::Turn turn(&connection, &token_, facts_.time, &cost_, &line_);
  return EndTurn(work_->Run(&turn));
}

std::vector<admission::WaiterPtr> Call::ServeTogether(std::vector<admission::WaiterPtr> company,
                                                      postgres::Connection& connection) {
  std::vector<query::Companion> companions;
  companions.reserve(company.size());
  for (const admission::WaiterPtr& waiter : company) {
    // Nobody else has a company.
    auto& call = static_cast<Call&>(*waiter);
    call.BeginTurn(connection);
    query::Companion companion = call.work_->AsCompanion();
    companion.cost = &call.cost_;
    companion.token = &call.token_;
    companion.time = call.facts_.time;
    companions.push_back(std::move(companion));
  }
  work_->RunTogether(&companions, &connection, &line_);
  observe::CompanyServed served;
  served.calls = static_cast<int>(companions.size());
  for (const query::Companion& companion : companions) served.merged += companion.cost->is_merged ? 1 : 0;
  observer_.Record(served);
  std::vector<admission::WaiterPtr> unfinished;
  for (size_t i = 0; i < company.size(); ++i) {
    if (!static_cast<Call&>(*company[i]).EndTurn(companions[i].end)) unfinished.push_back(std::move(company[i]));
  }
  return unfinished;
}

void Call::EndWait() {
  const absl::Time now = absl::Now();
  cost_.queue_time += now - waiting_since_;
  if (trace_ != nullptr) trace_->Add({"wait for a connection", waiting_since_, now, {}, {}});
}

void Call::BeginTurn(const postgres::Connection& connection) {
  EndWait();
  backend_pid_ = connection.facts().behind_pooler ? 0 : connection.facts().backend_pid;
  has_connection_ = true;
}

bool Call::EndTurn(const query::TurnEnd& end) {
  has_connection_ = false;
  if (!end.again) {
    // Also a turn that came to nothing.
    const bool untouched = !end.status.ok() && OutcomeOf(end.status) == v1::OUTCOME_NOT_STARTED;
    Finish(untouched ? last_turn_.Or(end.status, cost_.statement) : end.status);
    return true;
  }
  last_turn_.Keep(end.status, cost_.statement);
  waiting_since_ = absl::Now();
  if (!token_.cancelled() && waiting_since_ < facts_.time.work_until) {
    observer_.Record(observe::CallRetried{ReasonOf(end.status)});
    return false;
  }
  Refuse(CancelledStatus());
  return true;
}

void Call::Refuse(const absl::Status& refusal) {
  EndWait();
  Finish(work_->GiveUp(last_turn_.Or(refusal, cost_.statement), refusal, cost_));
}

// gRPC cancels a call at its deadline too.
absl::Status Call::CancelledStatus() const {
  const absl::Time now = absl::Now();
  if (now >= facts_.time.work_until) return errors::QueueTimeout(now - waiting_since_, "");
  return token_.WhyEnded(v1::OUTCOME_NOT_STARTED);
}

// Those that were slow one by one; or the first ones of a call that was slow as a whole. (A stream takes as long as its
// client likes.)
std::vector<std::string> Call::SlowStatements() const {
  std::vector<std::string> texts;
  for (const std::shared_ptr<const sql::KnownStatement>& slow : cost_.slow) texts.push_back(slow->text);
  if (texts.empty() && lane() == admission::Lane::kShort && cost_.database_time >= facts_.slow_call) {
    texts = work_->StatementTexts();
    if (texts.size() > query::CallCost::kSlowMax) texts.resize(query::CallCost::kSlowMax);
  }
  return texts;
}

void Call::Finish(const absl::Status& status) {
  observe::CallFinished event;
  event.method = facts_.method;
  event.caller = facts_.caller.name;
  event.priority = static_cast<observe::CallPriority>(work_->priority());
  event.status = status;
  event.took = absl::Now() - facts_.arrived_at;
  event.queue_time = cost_.queue_time;
  event.database_time = cost_.database_time;
  event.round_trips = cost_.round_trips;
  event.attempts = cost_.attempts;
  event.is_merged = cost_.is_merged;
  event.is_repeated = cost_.is_repeated;
  event.is_committed = cost_.is_committed;
  event.tag = work_->tag();
  if (status.ok()) event.failed_statements = work_->FailedStatements();
  event.conflicts = cost_.conflicts;
  if (facts_.caller_trace.has_value()) event.trace_id = facts_.caller_trace->trace_id;
  event.trace = trace_;
  if (facts_.echo_sql) event.statements = work_->StatementTexts();
  for (const std::string& text : SlowStatements()) {
    sql::Shape shape = sql::ShapeOf(text);
    event.slow.push_back({std::move(shape.text), shape.fingerprint});
  }
  observer_.Record(event);

  door_->Finish(status, work_->response());
}

}  // namespace sluice::rpc
