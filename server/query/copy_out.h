#ifndef SLUICE_SERVER_QUERY_COPY_OUT_H_
#define SLUICE_SERVER_QUERY_COPY_OUT_H_

#include "server/query/message_stream.h"
#include "server/query/plan.h"
#include "server/query/turn.h"

namespace sluice::query {

// COPY ... TO STDOUT, whose bytes go out while PostgreSQL still makes them, as StreamRows' rows do.
TurnEnd CopyOut(const Plan& plan, Turn* turn, MessageStream* stream);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_COPY_OUT_H_
