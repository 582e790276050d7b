#ifndef SLUICE_SERVER_QUERY_PING_H_
#define SLUICE_SERVER_QUERY_PING_H_

#include "server/query/turn.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

// SELECT of the server's time: is it there, and how far away?
TurnEnd Ping(Turn* turn, v1::PingResponse* response);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_PING_H_
