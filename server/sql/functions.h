#ifndef SLUICE_SERVER_SQL_FUNCTIONS_H_
#define SLUICE_SERVER_SQL_FUNCTIONS_H_

#include "absl/strings/string_view.h"

namespace sluice::sql {

// What is known of PostgreSQL's own functions by their names, as PostgreSQL folds them.

// A function, or a construct that is written like one (coalesce, extract, numeric(10,2)), that
// has no effect but its result, and none outside of the database. What is not here may have:
// a user's function can send mail.
bool OnlyReads(absl::string_view function);

// Its result differs from one run to the next, and is meant to: gen_random_uuid, random.
bool DrawsLots(absl::string_view function);

// A word that may stand before a parenthesis without being called: in, values, over, as ...
// `before` is the word, or the symbol, that stands before it; "" for none.
bool IsNoCall(absl::string_view word, absl::string_view before);

// It changes the session in a way that outlives the transaction.
bool ChangesSession(absl::string_view function);

// It writes also in a READ ONLY transaction: large objects, replication slots.
bool WritesInReadOnly(absl::string_view function);

// It runs SQL that is in a text, which nobody can look into here.
bool RunsSql(absl::string_view function);

// A setting that must not be set by a call for itself, in lower case: the gateway decides it, or
// reads and writes values by it, or it outlives the transaction (seed).
bool IsGatewaysSetting(absl::string_view setting);

}  // namespace sluice::sql

#endif  // SLUICE_SERVER_SQL_FUNCTIONS_H_
