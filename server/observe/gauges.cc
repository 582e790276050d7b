#include "server/observe/gauges.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>

namespace sluice::observe {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

struct Sample {
  std::vector<ClientMetric::Label> labels;
  double value;
};

MetricFamily Gauge(std::string name, std::string help, std::initializer_list<Sample> samples) {
  MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = prometheus::MetricType::Gauge;
  for (const Sample& sample : samples) {
    ClientMetric metric;
    metric.label = sample.labels;
    metric.gauge.value = sample.value;
    family.metric.push_back(std::move(metric));
  }
  return family;
}

MetricFamily Counter(std::string name, std::string help, double value) {
  MetricFamily family = Gauge(std::move(name), std::move(help), {});
  family.type = prometheus::MetricType::Counter;
  family.metric.emplace_back().counter.value = value;
  return family;
}

double Count(size_t number) { return static_cast<double>(number); }

}  // namespace

std::vector<MetricFamily> GaugesOf(const State& state) {
  const PoolState& pool = state.pool;
  const LineState& line = state.line;
  const ClientMetric::Label database = {"database", pool.name};
  const ClientMetric::Label pool_name = {"db_client_connection_pool_name", pool.name};
  std::vector<MetricFamily> families = {
      Gauge("sluice_build_info", "The gateway's version.", {{{{"version", state.version}}, 1}}),
      Gauge("sluice_start_time_seconds", "When it was started, in seconds since 1970.",
            {{{}, absl::ToDoubleSeconds(state.started_at - absl::UnixEpoch())}}),
      Gauge("sluice_ready", "1 if health says SERVING.", {{{}, state.ready ? 1.0 : 0.0}}),
      Gauge("sluice_draining", "1 once it takes no new calls, since it is about to end.",
            {{{}, state.draining ? 1.0 : 0.0}}),
      Gauge("sluice_calls_in_progress", "Calls that gRPC has brought and is not done with.",
            {{{}, static_cast<double>(state.calls_in_progress)}}),
      Gauge("sluice_transactions_open", "Calls of Transact that have a connection.",
            {{{}, static_cast<double>(state.transactions_open)}}),
      Gauge("sluice_subscribers", "Calls of Listen in progress.", {{{}, static_cast<double>(state.subscribers)}}),
      Counter("sluice_log_lines_dropped_total", "Lines that the log had no room for.",
              static_cast<double>(state.log_lines_dropped)),
      Gauge("sluice_line_length", "Calls that wait for a connection.",
            {{{{"priority", "high"}}, Count(line.waiting[0])},
             {{{"priority", "normal"}}, Count(line.waiting[1])},
             {{{"priority", "low"}}, Count(line.waiting[2])}}),
      Gauge("sluice_line_bytes", "What they hold in memory.", {{{}, Count(line.bytes)}}),
      Gauge("sluice_pool_oldest_wait_seconds", "How long the first of them waits by now.",
            {{{database}, absl::ToDoubleSeconds(line.oldest_wait)}}),
      Gauge("sluice_pool_connections", "Connections to the database.",
            {{{database, {"state", "idle"}}, static_cast<double>(pool.open - pool.used)},
             {{database, {"state", "used"}}, static_cast<double>(std::max(pool.used - pool.held, 0))},
             {{database, {"state", "held"}}, static_cast<double>(pool.held)}}),
      Gauge("db_client_connection_max", "Connections at most (pool_size), by OpenTelemetry's name.",
            {{{pool_name}, static_cast<double>(pool.connections_max)}}),
      Gauge("db_client_connection_pending_requests", "Calls that wait for one, by OpenTelemetry's name.",
            {{{pool_name}, Count(line.waiting[0] + line.waiting[1] + line.waiting[2])}}),
  };
  if (pool.round_trip != absl::InfiniteDuration()) {
    families.push_back(Gauge("sluice_round_trip_seconds", "The way to the database and back, without work there.",
                             {{{database}, absl::ToDoubleSeconds(pool.round_trip)}}));
  }
  if (!pool.server_version.empty()) {
    families.push_back(Gauge("sluice_pool_info", "What the last connection found on the other side.",
                             {{{database,
                                {"url", pool.url},
                                {"server_version", pool.server_version},
                                {"pooler", pool.behind_pooler ? "yes" : "no"},
                                {"jit_strategy", pool.jit_strategy},
                                {"tls", pool.tls ? "yes" : "no"}},
                               1}}));
  }
  return families;
}

}  // namespace sluice::observe
