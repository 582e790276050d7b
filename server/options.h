#ifndef SLUICE_SERVER_OPTIONS_H_
#define SLUICE_SERVER_OPTIONS_H_

#include "server/admission/line.h"
#include "server/config/config.h"
#include "server/postgres/pool.h"
#include "server/query/hub.h"
#include "server/rpc/database_service.h"
#include "server/rpc/server.h"

namespace sluice {

// What each part of a gateway is told of its configuration.
admission::Line::Options LineOptions(const config::Config& config);
rpc::DatabaseService::Options ServiceOptions(const config::Config& config);
rpc::Server::Options ServerOptions(const config::Config& config);
// Of the operators' gRPC.
rpc::Server::Options AdminServerOptions(const config::Config& config);
postgres::Pool::Options PoolOptions(const config::Config& config);
// Where there is a listen_url.
query::Hub::Options HubOptions(const config::Config& config);

}  // namespace sluice

#endif  // SLUICE_SERVER_OPTIONS_H_
