#ifndef SLUICE_SERVER_SQL_SESSION_STATE_H_
#define SLUICE_SERVER_SQL_SESSION_STATE_H_

#include "absl/status/status.h"
#include "server/sql/words.h"

namespace sluice::sql {

// Refuses a statement that begins or ends a transaction, that would leave something
// behind in a session which others share, or that needs the client's stream (COPY).
// Each error says what to use instead.
absl::Status CheckLeavesNothingBehind(const Words& words);

}  // namespace sluice::sql

#endif  // SLUICE_SERVER_SQL_SESSION_STATE_H_
