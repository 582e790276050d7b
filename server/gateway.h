#ifndef SLUICE_SERVER_GATEWAY_H_
#define SLUICE_SERVER_GATEWAY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/admission/line.h"
#include "server/auth/authenticator.h"
#include "server/config/config.h"
#include "server/observe/events.h"
#include "server/postgres/pool.h"
#include "server/query/hub.h"
#include "server/readiness.h"
#include "server/rpc/database_service.h"
#include "server/rpc/server.h"

namespace sluice {

// One gateway process: builds and owns every object. Nothing else constructs, and nothing
// includes this but main.
class Gateway {
 public:
  // Listens and connects; returns before the database has answered. `observer` must
  // outlive the gateway.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(const config::Config& config, observe::Observer* observer);
  ~Gateway();

  const std::string& address() const { return server_->address(); }

  // Reads the callers' file again; a bad one is refused whole and the old callers stay.
  void ReloadCallers();

  // NOT_SERVING, time for load balancers, newcomers refused, calls served or expired,
  // connections closed. Blocks; the gateway is over then.
  void Drain(const std::string& why);

 private:
  Gateway(const config::Config& config, observe::Observer* observer);
  // Until no call is in progress.
  void AwaitCalls(absl::Time until) const;
  void AwaitQuiet(absl::Time until) const;

  const config::Config config_;
  observe::Observer& observer_;
  // In the order of construction; destruction is the reverse.
  auth::Authenticator authenticator_;
  std::unique_ptr<admission::Line> line_;
  std::unique_ptr<query::Hub> hub_;  // null without listen_url
  std::unique_ptr<rpc::DatabaseService> service_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<postgres::Pool> pool_;
  std::unique_ptr<Readiness> readiness_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_GATEWAY_H_
