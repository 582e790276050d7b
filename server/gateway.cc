#include "server/gateway.h"

#include <cstdio>
#include <fstream>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/base/system.h"
#include "server/observe/trace_exporter.h"
#include "server/options.h"
#include "server/settings_files.h"
#include "server/version.h"

namespace sluice {
namespace {

// Whole or not at all: whoever waits for the file finds an address in it.
absl::Status WritePortFile(const std::string& path, const std::string& address) {
  const std::string draft = path + ".tmp";
  std::ofstream file(draft);
  file << address << "\n";
  file.close();
  if (!file || std::rename(draft.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat("port_file: can not write ", path));
  }
  return absl::OkStatus();
}

}  // namespace

Gateway::Gateway(const config::RawSettings& raw, const config::Config& config, Process process,
                 std::unique_ptr<observe::Observer> trace_exporter, observe::Log* log)
    : process_(std::move(process)),
      started_at_(absl::Now()),
      raw_(raw),
      config_(config),
      log_(*log),
      trace_exporter_(std::move(trace_exporter)),
      observer_({&metrics_, &error_board_, trace_exporter_.get(), log}) {}

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(const config::RawSettings& raw, const config::Config& config,
                                                        Process process, observe::Log* log) {
  std::unique_ptr<observe::Observer> trace_exporter;
  if (!config.otlp_endpoint.empty()) {
    absl::StatusOr<std::unique_ptr<observe::Observer>> opened = observe::OpenTraceExporter(config.otlp_endpoint, log);
    if (!opened.ok()) return absl::InvalidArgumentError(absl::StrCat("otlp_endpoint: ", opened.status().message()));
    trace_exporter = *std::move(opened);
  }
  std::unique_ptr<Gateway> gateway(new Gateway(raw, config, std::move(process), std::move(trace_exporter), log));
  observe::Observer* const observer = &gateway->observer_;
  std::vector<std::string> problems;
  SettingsFiles files = LoadSettingsFiles(config, &problems);
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
  if (!config.callers_file.empty()) gateway->authenticator_.Replace(std::move(files.callers));
  std::vector<config::DatabaseUrl::Ignored> all_ignored = config.database.ignored;
  if (config.listen_database.has_value()) {
    const auto& of_listener = config.listen_database->ignored;
    all_ignored.insert(all_ignored.end(), of_listener.begin(), of_listener.end());
  }
  for (const config::DatabaseUrl::Ignored& ignored : all_ignored) {
    observer->Record(observe::SettingIgnored{ignored.option, ignored.why});
  }
  gateway->line_ = std::make_unique<admission::Line>(LineOptions(config));
  if (config.listen_database.has_value()) {
    gateway->hub_ = std::make_unique<query::Hub>(HubOptions(config), observer);
  }
  gateway->service_ = std::make_unique<rpc::DatabaseService>(ServiceOptions(config), &gateway->authenticator_,
                                                             gateway->line_.get(), gateway->hub_.get(), observer);
  ASSIGN_OR_RETURN(gateway->server_,
                   rpc::Server::Start(ServerOptions(config), std::move(files.certificates), gateway->service_.get()));
  gateway->pool_ = std::make_unique<postgres::Pool>(PoolOptions(config), gateway->line_.get(), observer);
  const absl::Status has_threads = gateway->pool_->PrepareFor(config.pool_size);
  if (!has_threads.ok()) return absl::UnavailableError(absl::StrCat("pool_size: ", has_threads.message()));
  RETURN_IF_ERROR(gateway->OpenAdminPorts());
  gateway->readiness_ = std::make_unique<Readiness>(gateway->pool_.get(), [gateway = gateway.get()](bool ready) {
    gateway->SetReady(ready);
    gateway->observer_.Record(observe::HealthChanged{ready});
  });
  observer->Record(observe::GatewayStarted{
      kVersion, gateway->address(), gateway->admin_port_ == nullptr ? "off" : gateway->admin_port_->address(),
      gateway->admin_server_ == nullptr ? "off" : gateway->admin_server_->address(), config.database.Display(),
      !config.tls_cert.empty(), config.insecure, DescriptorsMax()});
  if (!config.port_file.empty()) RETURN_IF_ERROR(WritePortFile(config.port_file, gateway->address()));
  return gateway;
}

absl::Status Gateway::OpenAdminPorts() {
  const config::Config config = this->config();
  if (!config.admin_listen.empty()) {
    ASSIGN_OR_RETURN(admin_port_, admin::Port::Start({config.admin_listen}, Controls()));
  }
  if (!config.admin_grpc_listen.empty()) {
    admin_service_ = std::make_unique<admin::Service>(Controls());
    ASSIGN_OR_RETURN(admin_server_, rpc::Server::Start(AdminServerOptions(config), std::nullopt, admin_service_.get()));
  }
  return absl::OkStatus();
}

admin::Controls Gateway::Controls() {
  admin::Controls controls;
  controls.state = [this] { return state(); };
  controls.totals = [this] { return metrics_.totals(); };
  controls.metrics = [this] { return metrics_.Text(state()); };
  controls.longest_calls = [this](size_t calls_max, int64_t after) {
    return service_->calls().Longest(calls_max, after);
  };
  controls.costliest_statements = [this](size_t count_max) { return service_->CostliestStatements(count_max); };
  controls.latest_errors = [this] { return error_board_.Latest(); };
  controls.settings = [this] { return settings(); };
  controls.cancel_call = [this](int64_t id) { return service_->calls().CancelForOperator(id); };
  controls.reset_pool = [this] {
    if (hub_ != nullptr) hub_->Reset();
    return pool_->Reset();
  };
  controls.reload = [this](ReloadWaiter done) { AwaitReload(std::move(done)); };
  controls.drain = [this](std::optional<absl::Duration> grace) {
    if (grace.has_value() && !is_draining_) {
      MutexLock lock(&mu_);
      operators_grace_ = grace;
    }
    process_.ask_for_end();
  };
  if (!config().callers_file.empty()) controls.authenticator = &authenticator_;
  return controls;
}

config::Config Gateway::config() const {
  MutexLock lock(&mu_);
  return config_;
}

std::vector<observe::SettingState> Gateway::settings() const {
  MutexLock lock(&mu_);
  std::vector<observe::SettingState> settings;
  for (auto& [name, text, source] : config::ShownSettings(raw_)) settings.push_back({name, text, source});
  return settings;
}

absl::Duration Gateway::drain_grace() const {
  MutexLock lock(&mu_);
  return operators_grace_.value_or(config_.drain_grace);
}

absl::Duration Gateway::drain_time_max() const {
  // A cancel may take its time, and closing.
  constexpr absl::Duration kBesides = absl::Seconds(10);
  return config().drain_delay + drain_grace() + kBesides;
}

void Gateway::SetReady(bool ready) {
  is_ready_ = ready;
  server_->SetReady(ready);
  if (admin_server_ != nullptr) admin_server_->SetReady(ready);
}

observe::State Gateway::state() const {
  observe::State state;
  state.version = kVersion;
  state.started_at = started_at_;
  state.ready = is_ready_;
  state.draining = is_draining_;
  state.calls_in_progress = service_->calls().in_progress();
  state.transactions_open = service_->transactions_open();
  state.subscribers = hub_ == nullptr ? 0 : hub_->subscribers();
  state.log_lines_dropped = log_.lines_dropped();
  state.pool = pool_->state();
  {
    MutexLock lock(&mu_);
    state.pool.url = config_.database.Display();
  }
  state.pool.held = static_cast<int>(line_->held_in_service());
  state.line = line_->state();
  return state;
}

Gateway::~Gateway() {
  if (server_ == nullptr || is_draining_) return;
  readiness_ == nullptr ? Abandon() : Drain("destroyed");
}

// One that could not start as a whole, but listens: gRPC would wait for whoever has called, a Listen for ever.
void Gateway::Abandon() {
  line_->Close();
  if (hub_ != nullptr) hub_->Close();
  EndCalls();
  server_->Shutdown(absl::Now() + absl::Milliseconds(100));
}

// What gRPC cancels is told CANCELLED, whatever became of it: the last calls are ended here,
// and answered. A cancel may take some time (Connection::Options::cancel_wait).
void Gateway::EndCalls() {
  line_->RefuseAll(errors::Draining());
  service_->calls().Drain();
  AwaitCalls(absl::Now() + absl::Seconds(3));
}

void Gateway::AwaitCalls(absl::Time until) const {
  while (service_->calls().in_progress() > 0 && absl::Now() < until) absl::SleepFor(absl::Milliseconds(10));
}

// Until no call has come for a while: whoever hears DRAINING goes elsewhere, and whoever calls at the
// very moment at which gRPC closes hears a CANCELLED that tells nothing.
void Gateway::AwaitQuiet(absl::Time until) const {
  constexpr absl::Duration kQuiet = absl::Milliseconds(100);
  int64_t seen = -1;
  while (seen != service_->calls().taken() && absl::Now() < until) {
    seen = service_->calls().taken();
    absl::SleepFor(kQuiet);
  }
}

void Gateway::Drain(const std::string& why) {
  observer_.Record(observe::GatewayDraining{why});
  // Health first: a client that is told CANCELLED by a closing server does not retry.
  readiness_.reset();
  is_draining_ = true;
  SetReady(false);
  for (const ReloadWaiter& waiter : TakeReloadWaiters()) waiter(errors::Draining());
  const config::Config config = this->config();
  absl::SleepFor(config.drain_delay);

  line_->Close();
  // Nothing else would end a subscription.
  if (hub_ != nullptr) hub_->Close();
  const absl::Time grace_end = absl::Now() + drain_grace();
  // Calls are served until the grace ends. Streams that others hold (a health Watch) do not
  // count: gRPC would wait for them as well.
  AwaitCalls(grace_end);
  EndCalls();
  AwaitQuiet(absl::Now() + absl::Seconds(1));
  server_->Shutdown(absl::Now() + absl::Milliseconds(100));
  // Until now it tells how far this is.
  admin_port_.reset();
  if (admin_server_ != nullptr) admin_server_->Shutdown(absl::Now() + absl::Milliseconds(100));
  admin_server_.reset();
  pool_.reset();
  observer_.Record(observe::GatewayStopped{});
}

}  // namespace sluice
