#ifndef SLUICE_SERVER_QUERY_LEG_H_
#define SLUICE_SERVER_QUERY_LEG_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "server/postgres/flight.h"
#include "server/query/plan.h"
#include "server/query/turn.h"

namespace sluice::query {

// Times that a call's work may be done over: after that a conflict is the caller's.
constexpr int kRerunsMax = 2;

// Statements [first, last) of a plan, which make one flight.
struct Leg {
  size_t first, last;
};

// AMBIGUOUS_STRING for a leg with a string that this server would read differently.
absl::Status CheckStrings(const Plan& plan, const Leg& leg, const Turn& turn);
// In a batch an error says which statement it is about.
absl::Status NameStatement(const Plan& plan, size_t index, const absl::Status& status);

// Flies a leg, and again on the same connection where that helps and is safe: alone, what can
// not run in a transaction; and once more, what failed by the luck of concurrency. Refuses a
// leg with a string that this server would read differently (AMBIGUOUS_STRING). `streams`: of its only
// statement.
absl::StatusOr<postgres::FlightReport> FlyLeg(const Plan& plan, const Leg& leg, Turn* turn,
                                              const postgres::Streams& streams = postgres::Streams());

// Before another try in this turn at what failed by the luck of concurrency. Counts it.
void PauseForAnother(const postgres::FlightFailure& failure, Turn* turn);

// Of a leg whose flight was the turn's last one, for those who ask what statements take, and which were slow.
void RecordUse(const Plan& plan, const Leg& leg, Turn* turn);

// Whether a question that writes nothing, and whose flight failed, should have another turn. Counts it.
bool AskAgain(const postgres::FlightFailure& failure, Turn* turn);

// A leg whose flight failed: its status, with "statementIndex" in a batch, and whether the call
// should have another turn on another connection.
TurnEnd EndOfFailure(const Plan& plan, const Leg& leg, postgres::FlightFailure failure, Turn* turn);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_LEG_H_
