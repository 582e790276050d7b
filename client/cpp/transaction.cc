#include "client/cpp/transaction.h"

#include <utility>

#include "client/cpp/error.h"
#include "client/cpp/rpc_status.h"
#include "server/base/mutex.h"

namespace sluice::client {
namespace {

// The transport's word for the end of a transaction whose commit nobody had asked for: nothing of it is left, whatever
// became of its last statement.
absl::Status RolledBack(const absl::Status& end) {
  if (end.ok() || IsFromGateway(end) || OutcomeOf(end) == v1::OUTCOME_NOT_STARTED) return end;
  ErrorFacts facts = FactsOf(end);
  facts.outcome = v1::OUTCOME_ROLLED_BACK;
  facts.reason = end.code() == absl::StatusCode::kCancelled          ? "CANCELLED"
                 : end.code() == absl::StatusCode::kDeadlineExceeded ? "DEADLINE_EXCEEDED"
                                                                     : "TRANSACTION_LOST";
  if (facts.reason == "TRANSACTION_LOST") {
    facts.code = absl::StatusCode::kAborted;
    facts.retry_after = absl::Milliseconds(100);
  }
  return MakeError(std::move(facts));
}

}  // namespace

struct Transaction::State {
  // Of who cancels: the wire is not taken away meanwhile.
  Mutex mu;
  std::unique_ptr<Wire> wire;  // null when the stream has ended
  absl::Status end;            // how it did
  int64_t sequence = 0;
  // The request that is asked now.
  bool commits = false;
  v1::TransactResponse::State state = v1::TransactResponse::OPEN;
  v1::CallInfo info;

  // One request and its response.
  absl::StatusOr<v1::TransactResponse> Ask(v1::TransactRequest request) {
    request.set_sequence(++sequence);
    commits = request.then_commit() || request.has_commit();
    v1::TransactResponse response;
    if (wire == nullptr || !wire->Write(request) || !wire->Read(&response)) return Ended();
    state = response.state();
    if (response.has_info()) info = response.info();
    if (response.has_error()) return FromRpcStatus(response.error());
    return response;
  }

  absl::Status Do(v1::TransactRequest request) { return Ask(std::move(request)).status(); }

  absl::Status Ended() {
    if (wire != nullptr) {
      end = wire->Finish();
      {
        MutexLock lock(&mu);
        wire = nullptr;
      }
      const bool was_over = state != v1::TransactResponse::OPEN && state != v1::TransactResponse::FAILED;
      // Only the gateway knows what a commit came to; without its word nobody does.
      const ErrorFacts facts = FactsOf(end);
      const bool is_known = IsFromGateway(end) && facts.outcome != v1::OUTCOME_UNKNOWN;
      if (!was_over) {
        state = commits && !is_known ? v1::TransactResponse::OUTCOME_UNKNOWN : v1::TransactResponse::ROLLED_BACK;
        if (!commits && !is_known) end = RolledBack(end);
      }
    }
    return end.ok() ? absl::FailedPreconditionError("the transaction has ended") : end;
  }
};

namespace {

v1::TransactRequest RequestFor(const Statement& statement, bool then_commit) {
  v1::TransactRequest request;
  *request.mutable_statement() = statement.proto();
  request.set_then_commit(then_commit);
  return request;
}

v1::TransactRequest RequestFor(const std::vector<Statement>& statements, bool then_commit) {
  v1::TransactRequest request;
  request.mutable_batch();
  for (const Statement& statement : statements) *request.mutable_batch()->add_statements() = statement.proto();
  request.set_then_commit(then_commit);
  return request;
}

absl::StatusOr<Result> OneResult(absl::StatusOr<v1::TransactResponse> response) {
  if (!response.ok()) return response.status();
  return Result(std::move(*response->mutable_result()), response->info());
}

absl::StatusOr<std::vector<Result>> AllResults(absl::StatusOr<v1::TransactResponse> response) {
  if (!response.ok()) return response.status();
  std::vector<Result> results;
  for (v1::ResultSet& result : *response->mutable_batch()->mutable_results()) {
    results.emplace_back(std::move(result), response->info());
  }
  return results;
}

}  // namespace

Transaction::Transaction(std::unique_ptr<Wire> wire) : state_(std::make_unique<State>()) {
  state_->wire = std::move(wire);
}

Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;

absl::StatusOr<Result> Transaction::Execute(const Statement& statement) {
  return OneResult(state_->Ask(RequestFor(statement, /*then_commit=*/false)));
}

absl::StatusOr<Result> Transaction::ExecuteAndCommit(const Statement& statement) {
  return OneResult(state_->Ask(RequestFor(statement, /*then_commit=*/true)));
}

absl::StatusOr<std::vector<Result>> Transaction::ExecuteBatch(const std::vector<Statement>& statements) {
  return AllResults(state_->Ask(RequestFor(statements, /*then_commit=*/false)));
}

absl::StatusOr<std::vector<Result>> Transaction::ExecuteBatchAndCommit(const std::vector<Statement>& statements) {
  return AllResults(state_->Ask(RequestFor(statements, /*then_commit=*/true)));
}

absl::Status Transaction::Savepoint(const std::string& name) {
  v1::TransactRequest request;
  request.mutable_savepoint()->set_name(name);
  return state_->Do(std::move(request));
}

absl::Status Transaction::Release(const std::string& name) {
  v1::TransactRequest request;
  request.mutable_release()->set_name(name);
  return state_->Do(std::move(request));
}

absl::Status Transaction::RollbackTo(const std::string& name) {
  v1::TransactRequest request;
  request.mutable_rollback_to()->set_name(name);
  return state_->Do(std::move(request));
}

absl::Status Transaction::Commit() {
  v1::TransactRequest request;
  request.mutable_commit();
  return state_->Do(std::move(request));
}

absl::Status Transaction::Rollback() {
  v1::TransactRequest request;
  request.mutable_rollback();
  return state_->Do(std::move(request));
}

void Transaction::Cancel() {
  MutexLock lock(&state_->mu);
  if (state_->wire != nullptr) state_->wire->Cancel();
}

v1::TransactResponse::State Transaction::state() const { return state_->state; }

const v1::CallInfo& Transaction::info() const { return state_->info; }

}  // namespace sluice::client
