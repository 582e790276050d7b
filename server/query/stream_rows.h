#ifndef SLUICE_SERVER_QUERY_STREAM_ROWS_H_
#define SLUICE_SERVER_QUERY_STREAM_ROWS_H_

#include "server/query/message_stream.h"
#include "server/query/plan.h"
#include "server/query/turn.h"
#include "server/query/type_catalog.h"

namespace sluice::query {

// One statement, in its own transaction, whose rows go out while PostgreSQL still makes them: a header,
// batches, a summary. Memory stays flat: while the client does not read, PostgreSQL waits.
//
// Until the header is out it is like any other call. From then on it has no second try; and the
// statement of a client that reads no more is cancelled.
TurnEnd StreamRows(const Plan& plan, TypeCatalog* types, Turn* turn, MessageStream* stream);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_STREAM_ROWS_H_
