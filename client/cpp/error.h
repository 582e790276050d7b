#ifndef SLUICE_CLIENT_CPP_ERROR_H_
#define SLUICE_CLIENT_CPP_ERROR_H_

// What an error of a gateway tells besides its code and message. docs/errors.md lists every
// reason, and what to do about it.
//
//   absl::StatusOr<client::Result> result = db.Execute("INSERT ...");
//   if (client::ReasonOf(result.status()) == "UNIQUE_VIOLATION") ...
//   switch (client::OutcomeOf(result.status())) {
//     case v1::OUTCOME_NOT_STARTED:
//     case v1::OUTCOME_ROLLED_BACK: ...  nothing is left of it; may be sent again
//     case v1::OUTCOME_UNKNOWN: ...      look before sending it again
//     case v1::OUTCOME_COMMITTED: ...    done; only its answer is missing
//   }

#include "absl/status/status.h"
#include "server/base/error.h"

namespace sluice::client {

// Reason, outcome, SQLSTATE, metadata, when to retry, and PostgreSQL's own report.
using sluice::ErrorFacts;
using sluice::FactsOf;
// One of them.
using sluice::ReasonOf;
using sluice::SqlStateOf;

// Whether the gateway itself reported the error; if not, gRPC did, since no gateway was reached or its
// answer did not come.
bool IsFromGateway(const absl::Status& status);

// What became of the work. What gRPC reports is NOT_STARTED where there was no connection to send it on,
// or nothing that knows this API at its end; else UNKNOWN.
Outcome OutcomeOf(const absl::Status& status);

}  // namespace sluice::client

#endif  // SLUICE_CLIENT_CPP_ERROR_H_
