#include "server/admin/statusz.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace sluice::admin {
namespace {

using Json = nlohmann::ordered_json;

Json Seconds(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return nullptr;
  return absl::ToDoubleSeconds(absl::Trunc(duration, absl::Microseconds(1)));
}

Json Known(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json PoolAsJson(const observe::PoolState& pool) {
  return {{"name", pool.name},
          {"url", pool.url},
          {"connections_max", pool.connections_max},
          {"open", pool.open},
          {"used", pool.used},
          {"held", pool.held},
          {"server_version", Known(pool.server_version)},
          {"behind_pooler", pool.server_version.empty() ? Json(nullptr) : Json(pool.behind_pooler)},
          {"tls", pool.server_version.empty() ? Json(nullptr) : Json(pool.tls)},
          {"jit_strategy", Known(pool.jit_strategy)},
          {"round_trip_seconds", Seconds(pool.round_trip)},
          {"last_failure", Known(pool.last_failure)}};
}

Json CallAsJson(const observe::CallState& call) {
  return {{"id", call.id},
          {"method", call.method},
          {"caller", call.caller},
          {"tag", Known(call.tag)},
          {"age_seconds", Seconds(absl::Now() - call.arrived_at)},
          {"state", call.has_connection ? "on a connection" : "waiting"},
          {"backend_pid", call.backend_pid == 0 ? Json(nullptr) : Json(call.backend_pid)},
          {"statement", Known(call.statement)}};
}

Json ErrorAsJson(const observe::ErrorState& error) {
  return {{"reason", Known(error.reason)},
          {"outcome", error.outcome},
          {"count", error.count},
          {"last_at", absl::FormatTime(absl::RFC3339_sec, error.last_at, absl::UTCTimeZone())},
          {"sqlstate", Known(error.sqlstate)},
          {"method", error.method},
          {"caller", Known(error.caller)},
          {"tag", Known(error.tag)}};
}

Json StatementAsJson(const observe::StatementState& statement) {
  return {{"shape", statement.shape},
          // As text: JavaScript's numbers have 53 bits.
          {"fingerprint", absl::StrFormat("%016x", statement.fingerprint)},
          {"calls", statement.calls},
          {"total_seconds", Seconds(statement.total_time)}};
}

// The last bound is infinite, which JSON has no number for: null.
Json BucketsAsJson(const std::vector<observe::Totals::Bucket>& buckets) {
  Json json = Json::array();
  for (const observe::Totals::Bucket& bucket : buckets) {
    json.push_back({{"up_to", std::isinf(bucket.up_to) ? Json(nullptr) : Json(bucket.up_to)}, {"count", bucket.count}});
  }
  return json;
}

Json TotalsAsJson(const observe::Totals& totals) {
  return {{"calls", totals.calls},
          {"failures", totals.failures},
          {"flights", totals.flights},
          {"statements", totals.statements},
          {"rows", totals.rows},
          {"retries", totals.retries},
          {"seconds_of_calls", BucketsAsJson(totals.durations)},
          {"statements_of_flights", BucketsAsJson(totals.sizes)}};
}

Json SettingAsJson(const observe::SettingState& setting) {
  return {{"name", setting.name}, {"value", setting.text}, {"source", setting.source}};
}

template <typename Element>
Json ListOf(const std::vector<Element>& elements, Json (*as_json)(const Element&)) {
  Json list = Json::array();
  for (const Element& element : elements) list.push_back(as_json(element));
  return list;
}

}  // namespace

std::string StatusAsJson(const Controls& controls) {
  constexpr size_t kCalls = 50, kStatements = 20;
  const observe::State state = controls.state();
  const observe::LineState& line = state.line;
  Json json = {
      {"version", state.version},
      {"now", absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3S%Ez", absl::Now(), absl::UTCTimeZone())},
      {"started_at", absl::FormatTime(absl::RFC3339_sec, state.started_at, absl::UTCTimeZone())},
      {"ready", state.ready},
      {"draining", state.draining},
      {"calls_in_progress", state.calls_in_progress},
      {"transactions_open", state.transactions_open},
      {"subscribers", state.subscribers},
      {"pools", Json::array({PoolAsJson(state.pool)})},
      {"line",
       {{"waiting", {{"high", line.waiting[0]}, {"normal", line.waiting[1]}, {"low", line.waiting[2]}}},
        {"oldest_wait_seconds", Seconds(line.oldest_wait)},
        {"bytes", line.bytes}}},
  };
  json["totals"] = TotalsAsJson(controls.totals());
  json["longest_calls"] = ListOf(controls.longest_calls(kCalls, 0), CallAsJson);
  json["costliest_statements"] = ListOf(controls.costliest_statements(kStatements), StatementAsJson);
  json["last_errors"] = ListOf(controls.latest_errors(), ErrorAsJson);
  json["settings"] = ListOf(controls.settings(), SettingAsJson);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string WhyReady(const observe::State& state) {
  if (state.ready) return "ok\n";
  if (state.draining) return "draining\n";
  if (state.pool.last_failure.empty()) return "no connection to the database was proven yet\n";
  return absl::StrCat("no connection to the database: ", state.pool.last_failure, "\n");
}

}  // namespace sluice::admin
