#ifndef SLUICE_SERVER_QUERY_EXECUTE_H_
#define SLUICE_SERVER_QUERY_EXECUTE_H_

#include <vector>

#include "server/query/ledger.h"
#include "server/query/plan.h"
#include "server/query/turn.h"
#include "server/query/type_catalog.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

// One statement, in its own transaction.
TurnEnd Execute(const Plan& plan, TypeCatalog* types, Ledger* ledger, Turn* turn, v1::ExecuteResponse* response);

// All statements in one transaction and one flight; the first error is the call's.
TurnEnd ExecuteAtomic(const Plan& plan, TypeCatalog* types, Ledger* ledger, Turn* turn,
                      v1::ExecuteBatchResponse* response);

// Each statement in its own transaction, in order; `response` keeps what is done between
// turns.
TurnEnd ExecuteIndependent(const Plan& plan, TypeCatalog* types, Turn* turn, v1::ExecuteBatchResponse* response);
// When such a call gets no further turn: the statement whose turn it is gets the error
// `next`, those behind it `rest`. Those that are done are done, so the call as a whole has
// not failed.
void GiveUpRest(const Plan& plan, const absl::Status& next, const absl::Status& rest, const CallCost& cost,
                v1::ExecuteBatchResponse* response);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_EXECUTE_H_
