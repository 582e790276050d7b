#ifndef SLUICE_SERVER_GATEWAY_H_
#define SLUICE_SERVER_GATEWAY_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/admin/controls.h"
#include "server/admin/port.h"
#include "server/admin/service.h"
#include "server/admission/line.h"
#include "server/auth/authenticator.h"
#include "server/base/mutex.h"
#include "server/config/config.h"
#include "server/config/reload.h"
#include "server/observe/error_board.h"
#include "server/observe/events.h"
#include "server/observe/log.h"
#include "server/observe/metrics.h"
#include "server/observe/state.h"
#include "server/postgres/pool.h"
#include "server/query/hub.h"
#include "server/readiness.h"
#include "server/rpc/database_service.h"
#include "server/rpc/server.h"
#include "server/settings_files.h"

namespace sluice {

// One gateway process: builds and owns every object. Nothing else constructs, and nothing
// includes this but main.
class Gateway {
 public:
  // What the process does for its gateway; on any thread.
  struct Process {
    // Reads all settings again.
    std::function<config::RawSettings()> gather;
    // Have Reload, or Drain, called soon, on the process' own thread.
    std::function<void()> ask_for_reload, ask_for_end;
  };

  // Listens and connects; returns before the database has answered. `config` was made of `raw`; `log` must
  // outlive the gateway.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(const config::RawSettings& raw, const config::Config& config,
                                                        Process process, observe::Log* log);
  ~Gateway();

  const std::string& address() const { return server_->address(); }
  observe::State state() const;

  // Reads the settings and the files that they name again, and takes what can be taken while it runs. What is wrong
  // is refused whole, and all stays as it was. May take as long as a connection to the database. Not beside Drain.
  void Reload();

  // How long Drain takes at most.
  absl::Duration drain_time_max() const;
  // NOT_SERVING, time for load balancers, newcomers refused, calls served or expired,
  // connections closed. Blocks; the gateway is over then.
  void Drain(const std::string& why);

 private:
  Gateway(const config::RawSettings& raw, const config::Config& config, Process process,
          std::unique_ptr<observe::Observer> trace_exporter, observe::Log* log);
  absl::Status OpenAdminPorts();
  void Abandon();
  void EndCalls();
  admin::Controls Controls();

  // Who waits for a Reload. Answered once.
  using ReloadWaiter = std::function<void(const absl::StatusOr<admin::Reloaded>&)>;
  void AwaitReload(ReloadWaiter waiter);
  std::vector<ReloadWaiter> TakeReloadWaiters();
  absl::StatusOr<admin::Reloaded> TryReload();
  void Take(const config::Reload& reload, SettingsFiles files);

  config::Config config() const;
  absl::Duration drain_grace() const;
  std::vector<observe::SettingState> settings() const;
  void SetReady(bool ready);
  // Until no call is in progress.
  void AwaitCalls(absl::Time until) const;
  void AwaitQuiet(absl::Time until) const;

  const Process process_;
  const absl::Time started_at_;
  mutable Mutex mu_;
  // In force.
  config::RawSettings raw_ ABSL_GUARDED_BY(mu_);
  config::Config config_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Duration> operators_grace_ ABSL_GUARDED_BY(mu_);
  std::vector<ReloadWaiter> reload_waiters_ ABSL_GUARDED_BY(mu_);
  const observe::Log& log_;
  observe::Metrics metrics_;
  observe::ErrorBoard error_board_;
  std::unique_ptr<observe::Observer> trace_exporter_;  // null without otlp_endpoint
  // The metrics, the board, the traces and the log.
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
  std::unique_ptr<admin::Port> admin_port_;        // null where admin_listen is off
  std::unique_ptr<admin::Service> admin_service_;  // null where admin_grpc_listen is off
  std::unique_ptr<rpc::Server> admin_server_;      // the same
};

}  // namespace sluice

#endif  // SLUICE_SERVER_GATEWAY_H_
