#ifndef SLUICE_SERVER_QUERY_TOGETHER_H_
#define SLUICE_SERVER_QUERY_TOGETHER_H_

#include <vector>

#include "absl/time/time.h"
#include "server/postgres/connection.h"
#include "server/query/cancel_token.h"
#include "server/query/plan.h"
#include "server/query/turn.h"
#include "server/query/type_catalog.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

// One of the calls that share a flight: plain reads of one caller, or its plain writes.
struct Companion {
  const Plan* plan = nullptr;
  v1::ExecuteResponse* response = nullptr;
  CallCost* cost = nullptr;
  CancelToken* token = nullptr;
  TimeBudget time;
  // How its turn ended, after FlyTogether.
  TurnEnd end;
};

// Flies the statements of all in one message. Each gets its own result or its own error.
//
// Reads: READ ONLY, and each different one once. When statement i fails, those before it have
// their results and those behind it have not run: they want another turn, and so does whoever
// was kept from writing, or was hit by another one's time limit; alone, if it could happen again.
// When the connection breaks, all that have no result yet are read again.
//
// Writes: committed as one, and answered then. When one fails, nothing is done yet, and each wants
// a turn of its own. When the connection breaks, the outcome of all is unknown.
//
// A caller's cancel does not reach a flight that others share, which is short; a drain does.
void FlyTogether(std::vector<Companion>* companions, TypeCatalog* types, postgres::Connection* connection,
                 admission::Line* line);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_TOGETHER_H_
