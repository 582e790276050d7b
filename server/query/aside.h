#ifndef SLUICE_SERVER_QUERY_ASIDE_H_
#define SLUICE_SERVER_QUERY_ASIDE_H_

#include "absl/time/time.h"
#include "server/admission/line.h"
#include "server/postgres/flight.h"

namespace sluice::query {

// Flies a question of the gateway's own on another connection, while a held call's own is in the middle of an
// answer: as a short call, so a connection comes free for it. Waits until `until` at most; the
// report has a failure if there is no answer by then.
postgres::FlightReport AskAside(admission::Line* line, const postgres::Flight& question, absl::Time until);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_ASIDE_H_
