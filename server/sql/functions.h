#ifndef SLUICE_SERVER_SQL_FUNCTIONS_H_
#define SLUICE_SERVER_SQL_FUNCTIONS_H_

#include "absl/strings/string_view.h"

namespace sluice::sql {

// What is known of PostgreSQL's own functions by their names, as PostgreSQL folds them.

// A function, or a construct that is written like one (coalesce, extract, numeric(10,2)), that
// has no effect but its result, and none outside of the database. What is not here may have:
// a user's function can send mail.
bool OnlyReads(absl::string_view function);

// A word that may stand before a parenthesis without being called: in, values, over, as ...
bool IsNoCall(absl::string_view word);

// It changes the session in a way that outlives the transaction.
bool ChangesSession(absl::string_view function);

}  // namespace sluice::sql

#endif  // SLUICE_SERVER_SQL_FUNCTIONS_H_
