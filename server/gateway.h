#ifndef SLUICE_SERVER_GATEWAY_H_
#define SLUICE_SERVER_GATEWAY_H_

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/admin/port.h"
#include "server/admission/line.h"
#include "server/auth/authenticator.h"
#include "server/config/config.h"
#include "server/observe/error_board.h"
#include "server/observe/events.h"
#include "server/observe/metrics.h"
#include "server/observe/state.h"
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
  // Listens and connects; returns before the database has answered. `log` must
  // outlive the gateway.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(const config::Config& config, observe::Observer* log);
  ~Gateway();

  const std::string& address() const { return server_->address(); }
  observe::State state() const;

  // Reads the callers' file again; a bad one is refused whole and the old callers stay.
  void ReloadCallers();

  // NOT_SERVING, time for load balancers, newcomers refused, calls served or expired,
  // connections closed. Blocks; the gateway is over then.
  void Drain(const std::string& why);

 private:
  Gateway(const config::Config& config, observe::Observer* log);
  absl::Status OpenAdminPort();
  // Until no call is in progress.
  void AwaitCalls(absl::Time until) const;
  void AwaitQuiet(absl::Time until) const;

  const config::Config config_;
  const absl::Time started_at_;
  observe::Metrics metrics_;
  observe::ErrorBoard error_board_;
  // The metrics, the board, and whoever is told besides.
  observe::Observers observer_;
  std::atomic<bool> is_ready_{false}, is_draining_{false};
  // In the order of construction; destruction is the reverse.
  auth::Authenticator authenticator_;
  std::unique_ptr<admission::Line> line_;
  std::unique_ptr<query::Hub> hub_;  // null without listen_url
  std::unique_ptr<rpc::DatabaseService> service_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<postgres::Pool> pool_;
  std::unique_ptr<Readiness> readiness_;
  std::unique_ptr<admin::Port> admin_port_;  // null where admin_listen is off
};

}  // namespace sluice

#endif  // SLUICE_SERVER_GATEWAY_H_
