#include "server/options.h"

namespace sluice {
namespace {

postgres::JitStrategy JitStrategyOf(const std::string& name) {
  for (postgres::JitStrategy strategy : {postgres::JitStrategy::kPrefix, postgres::JitStrategy::kStartup,
                                         postgres::JitStrategy::kRole, postgres::JitStrategy::kNone}) {
    if (postgres::JitStrategyName(strategy) == name) return strategy;
  }
  return postgres::JitStrategy::kAuto;
}

}  // namespace

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
  options.request_bytes_max = config.request_bytes_max;
  options.client_silence_max = config.client_silence_max;
  return options;
}

rpc::Server::Options AdminServerOptions(const config::Config& config) {
  rpc::Server::Options options;
  options.listen = config.admin_grpc_listen;
  options.setting = "admin_grpc_listen";
  options.request_bytes_max = 64 << 10;
  options.requests_bytes_max = 16 << 20;
  return options;
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

}  // namespace sluice
