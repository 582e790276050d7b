#ifndef SLUICE_SERVER_QUERY_ONCE_H_
#define SLUICE_SERVER_QUERY_ONCE_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "server/postgres/flight.h"
#include "server/query/ledger.h"
#include "server/query/plan.h"
#include "server/query/turn.h"

namespace sluice::query {

// A call with a request_id, which is done once however often it is made. It takes two round trips:
//   BEGIN; the id is taken in the ledger; [the role of an identity]; the statements, and what they deferred
//   the answer is put into the ledger; COMMIT
// An id that was taken before ends the first one before the work has begun, and what was answered then is answered
// again. So the work can be tried again after anything that may have happened to it, also a COMMIT whose answer was
// lost.
class Once {
 public:
  // Writes the results of the plan's statements into the response.
  using Encode = std::function<absl::Status(const postgres::FlightReport&)>;

  // All must outlive it.
  Once(const Plan& plan, Ledger* ledger, Turn* turn, Encode encode, google::protobuf::Message* response)
      : plan_(plan), ledger_(*ledger), turn_(*turn), encode_(std::move(encode)), response_(*response) {
    turn_.AskInside();
  }

  // Within one turn. The response has all but what the call has cost.
  TurnEnd Do();

 private:
  // Unset: to be tried again at once.
  using End = std::optional<TurnEnd>;

  End Try();
  postgres::FlightReport Work();
  End Commit(absl::string_view place);
  // What the call that took the id was answered.
  End Repeat();
  End EndOfWork(const postgres::FlightFailure& failure);
  End EndOfCommit(const postgres::FlightFailure& failure);
  End RolledBack(const postgres::FlightFailure& failure, const absl::Status& status);
  End ConnectionLost(const postgres::FlightFailure& failure);
  bool MayTryAgain();
  absl::Status Told(const absl::Status& status) const;
  postgres::FlightReport Look(absl::string_view statement);
  End EndOfLook(const postgres::FlightFailure& failure);
  absl::Status StatusOfLedger(const postgres::FlightFailure& failure) const;
  absl::Status StatusOfWork(const postgres::FlightFailure& failure, bool of_claim) const;
  // Of the plan's own, in the first flight.
  size_t first_statement() const { return plan_.identity.empty() ? 2 : 3; }

  const Plan& plan_;
  Ledger& ledger_;
  Turn& turn_;
  const Encode encode_;
  google::protobuf::Message& response_;
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_ONCE_H_
