#include "server/gateway.h"

#include <cstdio>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/base/system.h"
#include "server/version.h"

namespace sluice {
namespace {

admission::Line::Options LineOptions(const config::Config& config) {
  admission::Line::Options options;
  options.length_max = config.line_length_max;
  const bool callers_are_known = !config.callers_file.empty();
  options.length_per_caller_max = callers_are_known ? (config.line_length_max + 1) / 2 : config.line_length_max;
  if (!callers_are_known) options.bytes_per_caller_max = options.bytes_max;
  options.company_max = config.flight_statements_max;
  options.company_bytes_max = config.flight_bytes_max;
  options.held_max = static_cast<size_t>(config.pool_size - 1);
  return options;
}

rpc::DatabaseService::Options ServiceOptions(const config::Config& config) {
  rpc::DatabaseService::Options options;
  options.limits.query.reply_bytes_max = config.reply_bytes_max;
  options.limits.query.sender_silence_max = config.stream_stall_max;
  options.limits.request_bytes_max = config.request_bytes_max;
  options.call_timeout = config.call_timeout;
  options.stream_timeout = config.stream_timeout;
  options.stream_stall_max = config.stream_stall_max;
  options.request_retention = config.request_retention;
  options.takes_held_calls = config.pool_size > 1;
  // As many again as may wait for a connection may stand before the Line.
  options.calls_max = 2 * config.line_length_max + config.pool_size;
  if (config.listen_database.has_value()) options.calls_max += query::Hub::Options().subscribers_max;
  options.echo_sql = config.echo_sql;
  options.slow_call = config.slow_call > absl::ZeroDuration() ? config.slow_call : absl::InfiniteDuration();
  return options;
}

rpc::Server::Options ServerOptions(const config::Config& config) {
  rpc::Server::Options options;
  options.listen = config.listen;
  options.tls_cert = config.tls_cert;
  options.tls_key = config.tls_key;
  options.tls_client_ca = config.tls_client_ca;
  options.request_bytes_max = config.request_bytes_max;
  options.client_silence_max = config.client_silence_max;
  return options;
}

postgres::JitStrategy JitStrategyOf(const std::string& name) {
  for (postgres::JitStrategy strategy : {postgres::JitStrategy::kPrefix, postgres::JitStrategy::kStartup,
                                         postgres::JitStrategy::kRole, postgres::JitStrategy::kNone}) {
    if (postgres::JitStrategyName(strategy) == name) return strategy;
  }
  return postgres::JitStrategy::kAuto;
}

postgres::Pool::Options PoolOptions(const config::Config& config) {
  postgres::Pool::Options options;
  options.connection.parameters = postgres::PoolerSafeParameters(config.database.parameters, config.application_name);
  options.connection.connect_timeout = config.connect_timeout;
  options.jit_strategy = JitStrategyOf(config.jit_strategy);
  options.connections_max = config.pool_size;
  options.connections_warm = config.pool_warm;
  options.age_max = config.connection_age_max;
  options.idle_max = config.connection_idle_max;
  options.company_work_max = config.flight_work_max;
  options.one_call_per_connection = config.pool_null;
  return options;
}

query::Hub::Options HubOptions(const config::Config& config) {
  query::Hub::Options options;
  options.connection.parameters =
      postgres::PoolerSafeParameters(config.listen_database->parameters, config.application_name);
  options.connection.connect_timeout = config.connect_timeout;
  options.heartbeat = config.listen_heartbeat;
  if (!config.callers_file.empty()) options.subscribers_per_caller_max = (options.subscribers_max + 1) / 2;
  return options;
}

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

Gateway::Gateway(const config::Config& config, observe::Observer* observer)
    : config_(config), started_at_(absl::Now()), observer_({&metrics_, &error_board_, observer}) {}

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(const config::Config& config, observe::Observer* log) {
  std::unique_ptr<Gateway> gateway(new Gateway(config, log));
  observe::Observer* const observer = &gateway->observer_;
  if (!config.callers_file.empty()) {
    absl::StatusOr<std::vector<auth::KnownCaller>> callers = auth::LoadCallers(config.callers_file);
    if (!callers.ok()) return absl::InvalidArgumentError(absl::StrCat("callers_file: ", callers.status().message()));
    gateway->authenticator_.Replace(*std::move(callers));
  }
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
  ASSIGN_OR_RETURN(gateway->server_, rpc::Server::Start(ServerOptions(config), gateway->service_.get()));
  gateway->pool_ = std::make_unique<postgres::Pool>(PoolOptions(config), gateway->line_.get(), observer);
  gateway->readiness_ =
      std::make_unique<Readiness>(gateway->pool_.get(), [gateway = gateway.get(), observer](bool ready) {
        gateway->is_ready_ = ready;
        gateway->server_->SetReady(ready);
        observer->Record(observe::HealthChanged{ready});
      });
  if (const absl::Status open = gateway->OpenAdminPort(); !open.ok()) {
    // There is nothing to drain.
    gateway->line_->Close();
    return open;
  }
  observer->Record(observe::GatewayStarted{
      kVersion, gateway->address(), gateway->admin_port_ == nullptr ? "off" : gateway->admin_port_->address(),
      config.database.Display(), !config.tls_cert.empty(), config.insecure, DescriptorsMax()});
  if (!config.port_file.empty()) RETURN_IF_ERROR(WritePortFile(config.port_file, gateway->address()));
  return gateway;
}

absl::Status Gateway::OpenAdminPort() {
  if (config_.admin_listen.empty()) return absl::OkStatus();
  admin::Port::Sources sources;
  sources.state = [this] { return state(); };
  sources.metrics = [this] { return metrics_.Text(state()); };
  sources.longest_calls = [this](size_t calls_max) { return service_->calls().Longest(calls_max); };
  sources.latest_errors = [this] { return error_board_.Latest(); };
  sources.cancel_call = [this](int64_t id) { return service_->calls().CancelForOperator(id); };
  if (!config_.callers_file.empty()) sources.authenticator = &authenticator_;
  ASSIGN_OR_RETURN(admin_port_, admin::Port::Start({config_.admin_listen}, std::move(sources)));
  return absl::OkStatus();
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
  state.pool = pool_->state();
  state.pool.url = config_.database.Display();
  state.pool.held = static_cast<int>(line_->held_in_service());
  state.line = line_->state();
  return state;
}

Gateway::~Gateway() {
  if (server_ != nullptr && pool_ != nullptr && !line_->closed()) Drain("destroyed");
}

void Gateway::ReloadCallers() {
  if (config_.callers_file.empty()) {
    observer_.Record(observe::CallersRefused{"there is no callers_file"});
    return;
  }
  absl::StatusOr<std::vector<auth::KnownCaller>> callers = auth::LoadCallers(config_.callers_file);
  if (!callers.ok()) {
    observer_.Record(observe::CallersRefused{std::string(callers.status().message())});
    return;
  }
  const int count = static_cast<int>(callers->size());
  authenticator_.Replace(*std::move(callers));
  observer_.Record(observe::CallersReloaded{count});
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
  is_ready_ = false;
  server_->SetReady(false);
  absl::SleepFor(config_.drain_delay);

  line_->Close();
  // Nothing else would end a subscription.
  if (hub_ != nullptr) hub_->Close();
  const absl::Time grace_end = absl::Now() + config_.drain_grace;
  // Calls are served until the grace ends. Streams that others hold (a health Watch) do not
  // count: gRPC would wait for them as well.
  AwaitCalls(grace_end);
  line_->RefuseAll(errors::Draining());
  // What gRPC cancels is told CANCELLED, whatever became of it: the last calls are ended here,
  // and answered. A cancel may take some time (Connection::Options::cancel_wait).
  service_->calls().Drain();
  AwaitCalls(absl::Now() + absl::Seconds(3));
  AwaitQuiet(absl::Now() + absl::Seconds(1));
  server_->Shutdown(absl::Now() + absl::Milliseconds(100));
  // Until now it tells how far this is.
  admin_port_.reset();
  pool_.reset();
  observer_.Record(observe::GatewayStopped{});
}

}  // namespace sluice
