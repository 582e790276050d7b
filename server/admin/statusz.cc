#include "server/admin/statusz.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
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

}  // namespace

std::string StatusAsJson(const observe::State& state, const std::vector<observe::CallState>& calls,
                         const std::vector<observe::ErrorState>& errors) {
  const observe::LineState& line = state.line;
  Json json = {
      {"version", state.version},
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
  json["longest_calls"] = Json::array();
  for (const observe::CallState& call : calls) json["longest_calls"].push_back(CallAsJson(call));
  json["last_errors"] = Json::array();
  for (const observe::ErrorState& error : errors) json["last_errors"].push_back(ErrorAsJson(error));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string WhyReady(const observe::State& state) {
  if (state.ready) return "ok\n";
  if (state.draining) return "draining\n";
  if (state.pool.last_failure.empty()) return "no connection to the database was proven yet\n";
  return absl::StrCat("no connection to the database: ", state.pool.last_failure, "\n");
}

}  // namespace sluice::admin
