#ifndef SLUICE_SERVER_QUERY_OUTCOME_H_
#define SLUICE_SERVER_QUERY_OUTCOME_H_

#include "absl/status/status.h"
#include "server/postgres/flight.h"
#include "server/query/plan.h"
#include "server/query/turn.h"

namespace sluice::query {

// A flight's failure as the caller sees it: positions are those of the caller's own text.
// `statement` is the one of the plan that failed.
absl::Status ToStatus(const postgres::FlightFailure& failure, const Plan& plan, const PlannedStatement& statement,
                      const Turn& turn);

// Why a flight may be flown again by the gateway itself, without the caller's asking.
enum class Rerun {
  kNo,
  // Nothing ran: on another connection, as long as the deadline lets.
  kNotStarted,
  // It ran and was rolled back by bad luck: the luck of concurrency (40001, 40P01), or what a
  // pooler kept of somebody else's (26000, 42P05, a cached plan).
  kConflict,
  // The way back broke; it looked like a read, so once more in a READ ONLY transaction:
  // should it be none after all, PostgreSQL says so and the outcome stays unknown.
  kAsReadOnly
};

// For calls whose whole transaction was in the one flight.
Rerun MayRerun(const postgres::FlightFailure& failure, bool looks_read_only);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_OUTCOME_H_
