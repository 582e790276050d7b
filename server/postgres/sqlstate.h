#ifndef SLUICE_SERVER_POSTGRES_SQLSTATE_H_
#define SLUICE_SERVER_POSTGRES_SQLSTATE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/base/error.h"
#include "server/postgres/server_error.h"

namespace sluice::postgres {

// The gRPC code of a SQLSTATE: exact codes first, then classes, then UNKNOWN. GR001 to
// GR016, which a function may raise (RAISE ... USING ERRCODE = 'GR005'), pick the gRPC code
// of that number.
absl::StatusCode CodeOfSqlState(absl::string_view sqlstate);

// Its condition's name ("UNIQUE_VIOLATION"), READ_ONLY for 25006; POSTGRES_ERROR for one that PostgreSQL does not have.
std::string ReasonOfSqlState(absl::string_view sqlstate);

// PostgreSQL's error as the caller sees it. `outcome` is what became of the work, and
// `is_verdict` whether PostgreSQL judged the statement. Where it did not and the outcome
// is unknown, code and reason are UNKNOWN / OUTCOME_UNKNOWN whatever the SQLSTATE, and
// nothing invites a retry. `position` is in the caller's own text (0 for none).
absl::Status FromServerError(const ServerError& error, Outcome outcome, bool is_verdict, int position);

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_SQLSTATE_H_
