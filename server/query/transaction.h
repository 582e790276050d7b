#ifndef SLUICE_SERVER_QUERY_TRANSACTION_H_
#define SLUICE_SERVER_QUERY_TRANSACTION_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/auth/caller.h"
#include "server/query/conversation.h"
#include "server/query/plan.h"
#include "server/query/turn.h"
#include "server/query/type_catalog.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

// An interactive transaction: what a client asks for step by step, on one connection. Whichever way it ends, it
// leaves no transaction open there.
class Transaction {
 public:
  // What `begin` asks for; errors of its fields and of the caller's permissions. `book` must outlive it.
  static absl::StatusOr<Transaction> Begin(const v1::TransactRequest::Begin& begin, const auth::Caller& caller,
                                           const Limits& limits, sql::StatementBook* book);

  absl::Duration idle_timeout() const { return idle_timeout_; }
  admission::Priority priority() const { return frame_.priority; }

  // From the first step to the end. Asks for another turn only if the first flight was not started.
  TurnEnd Converse(TypeCatalog* types, Turn* turn, Conversation* talk);

 private:
  Transaction(Plan frame, const auth::Caller& caller, const Limits& limits, sql::StatementBook* book)
      : frame_(std::move(frame)), caller_(caller), limits_(limits), book_(book) {}

  // How a step ended.
  struct StepEnd {
    v1::TransactResponse response;
    // The transaction is over, or wants another turn.
    std::optional<TurnEnd> end;
  };

  // Unset when there is a next step.
  std::optional<TurnEnd> AwaitStep(Turn* turn, Conversation* talk);
  StepEnd Take(TypeCatalog* types, Turn* turn);
  StepEnd Run(absl::Span<const v1::Statement* const> statements, TypeCatalog* types, Turn* turn);
  StepEnd RunOwn(std::string statement, v1::TransactResponse::State state, Turn* turn);
  StepEnd EndOfFailure(const Plan& plan, const postgres::FlightFailure& failure, bool commits, Turn* turn);
  StepEnd Refused(const absl::Status& status) const;
  postgres::FlightReport Fly(const std::vector<absl::string_view>& statements, Turn* turn);
  absl::Status Encode(const Plan& plan, const postgres::FlightReport& report, TypeCatalog* types, Turn* turn,
                      v1::TransactResponse* response) const;
  absl::Status OutOfTime(const Turn& turn) const;
  TurnEnd GiveUp(const absl::Status& status, Turn* turn) const;
  void AnswerTheRest(Conversation* talk) const;
  bool is_over() const { return state_ != v1::TransactResponse::OPEN && state_ != v1::TransactResponse::FAILED; }

  Plan frame_;
  auth::Caller caller_;
  Limits limits_;
  sql::StatementBook* book_;
  absl::Duration idle_timeout_;
  absl::Duration lifetime_max_;

  v1::TransactRequest step_;
  // step_ waits to be done: read just now, or its flight was not started.
  bool has_step_ = false;
  v1::TransactResponse::State state_ = v1::TransactResponse::OPEN;
  // PostgreSQL has a transaction open.
  bool begun_ = false;
  absl::Time ends_at_ = absl::InfiniteFuture();
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_TRANSACTION_H_
