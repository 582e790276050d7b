#ifndef SLUICE_SERVER_POSTGRES_STATEMENT_PROBE_H_
#define SLUICE_SERVER_POSTGRES_STATEMENT_PROBE_H_

#include "server/postgres/session.h"

namespace sluice::postgres {

enum class StatementProbe {
  kSafe,    // a named prepared statement survived a change of backend
  kLost,    // it did not: what breaks drivers behind transaction poolers
  kUnclear  // could not be tried
};

// Tries what breaks: prepares a statement in one session, lets another take its backend,
// and runs it. The only place that uses the extended protocol, and only for `sluice
// doctor`; the statement is removed again. Blocks for some round trips.
StatementProbe ProbePreparedStatements(const ConnectionParameters& parameters);

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_STATEMENT_PROBE_H_
