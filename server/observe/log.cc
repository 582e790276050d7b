#include "server/observe/log.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/error.h"
#include "server/base/mutex.h"

namespace sluice::observe {
namespace {

using Fields = nlohmann::ordered_json;

enum class Level { kInfo, kWarning, kError };

struct Line {
  Level level = Level::kInfo;
  std::string event;
  Fields fields;
};

double Milliseconds(absl::Duration duration) {
  return absl::ToDoubleMilliseconds(absl::Trunc(duration, absl::Microseconds(1)));
}

// One overload for each event: what is said of it.
struct Describe {
  Line operator()(const GatewayStarted& e) const {
    Fields fields = {{"version", e.version},
                     {"address", e.address},
                     {"admin", e.admin_address},
                     {"admin_grpc", e.admin_grpc_address},
                     {"database", e.database},
                     {"tls", e.tls},
                     {"descriptors_max", e.descriptors_max}};
    if (!e.insecure) return {Level::kInfo, "gateway_started", std::move(fields)};
    fields["warning"] = "--insecure: anybody who reaches this address may run SQL";
    return {Level::kWarning, "gateway_started", std::move(fields)};
  }
  Line operator()(const GatewayDraining& e) const { return {Level::kInfo, "gateway_draining", {{"why", e.why}}}; }
  Line operator()(const GatewayStopped&) const { return {Level::kInfo, "gateway_stopped", Fields::object()}; }
  Line operator()(const SettingIgnored& e) const {
    return {Level::kInfo, "setting_ignored", {{"setting", e.setting}, {"why", e.why}}};
  }
  Line operator()(const ConfigurationReloaded& e) const {
    Fields fields = {{"changed", e.changed}, {"waits_for_restart", e.waiting}, {"callers", e.callers}};
    if (!e.unchecked.empty()) fields["unchecked"] = e.unchecked;
    const bool is_whole = e.waiting.empty() && e.unchecked.empty();
    return {is_whole ? Level::kInfo : Level::kWarning, "configuration_reloaded", std::move(fields)};
  }
  Line operator()(const SpansNotSent& e) const { return {Level::kWarning, "spans_not_sent", {{"why", e.why}}}; }
  Line operator()(const ConfigurationRefused& e) const {
    return {Level::kError, "configuration_refused", {{"problems", e.problems}}};
  }
  Line operator()(const ConnectionOpened& e) const {
    return {Level::kInfo,
            "connection_opened",
            {{"server_version", e.server_version},
             {"backend_pid", e.backend_pid},
             {"pooler", e.behind_pooler},
             {"tls", e.tls},
             {"jit", e.jit_strategy},
             {"took_ms", Milliseconds(e.took)}}};
  }
  Line operator()(const ConnectionFailed& e) const {
    return {Level::kWarning,
            "connection_failed",
            {{"sqlstate", e.sqlstate}, {"message", e.message}, {"retry_in_ms", Milliseconds(e.retry_in)}}};
  }
  Line operator()(const ConnectionDiscarded& e) const {
    return {Level::kInfo, "connection_discarded", {{"why", e.why}, {"age_ms", Milliseconds(e.age)}}};
  }
  Line operator()(const ListenerOpened& e) const {
    return {Level::kInfo,
            "listener_opened",
            {{"server_version", e.server_version}, {"pooler", e.behind_pooler}, {"took_ms", Milliseconds(e.took)}}};
  }
  Line operator()(const ListenerLost& e) const { return {Level::kWarning, "listener_lost", {{"why", e.why}}}; }
  Line operator()(const LinesDropped& e) const { return {Level::kWarning, "log_dropped", {{"lines", e.lines}}}; }
  Line operator()(const HealthChanged& e) const {
    return {e.ready ? Level::kInfo : Level::kWarning, "health_changed", {{"ready", e.ready}}};
  }
  // Too many of them for a log, which has none.
  Line operator()(const FlightEnded&) const { return {Level::kInfo, "flight", Fields::object()}; }
  Line operator()(const NotificationsCame&) const { return {Level::kInfo, "notifications", Fields::object()}; }
  Line operator()(const CompanyServed&) const { return {Level::kInfo, "company", Fields::object()}; }
  Line operator()(const CallRetried&) const { return {Level::kInfo, "retry", Fields::object()}; }
  Line operator()(const CallFinished& e) const {
    const ErrorFacts facts = FactsOf(e.status);
    Fields fields = {{"method", e.method}, {"caller", e.caller}, {"code", absl::StatusCodeToString(e.status.code())}};
    if (!e.status.ok()) {
      fields["reason"] = facts.reason;
      fields["outcome"] = std::string(OutcomeName(facts.outcome));
      // PostgreSQL's messages quote values ("invalid input syntax ... \"4111 1111\""), which do
      // not belong into a log; its SQLSTATE does.
      if (facts.postgres.has_value()) {
        fields["sqlstate"] = facts.postgres->sqlstate();
      } else {
        fields["message"] = facts.message;
      }
    }
    if (!e.tag.empty()) fields["tag"] = e.tag;
    if (!e.trace_id.empty()) fields["trace_id"] = e.trace_id;
    fields["queue_ms"] = Milliseconds(e.queue_time);
    fields["database_ms"] = Milliseconds(e.database_time);
    if (e.attempts > 1) fields["attempts"] = e.attempts;
    if (!e.statements.empty()) fields["statements"] = e.statements;
    // The first ones, of a thousand.
    constexpr size_t kFailedMax = 10;
    for (size_t i = 0; i < e.failed_statements.size() && i < kFailedMax; ++i) {
      const CallFinished::FailedStatement& failed = e.failed_statements[i];
      fields["failed"].push_back({{"statement", failed.index}, {"reason", failed.reason}, {"outcome", failed.outcome}});
      if (!failed.sqlstate.empty()) fields["failed"].back()["sqlstate"] = failed.sqlstate;
    }
    if (e.failed_statements.size() > kFailedMax) fields["failed_in_all"] = e.failed_statements.size();
    for (const CallFinished::SlowStatement& slow : e.slow) {
      fields["slow"].push_back(
          {{"fingerprint", absl::StrCat(absl::Hex(slow.fingerprint, absl::kZeroPad16))}, {"statement", slow.shape}});
    }
    const bool is_well = e.status.ok() && e.failed_statements.empty() && e.slow.empty();
    return {is_well ? Level::kInfo : Level::kWarning, "call", std::move(fields)};
  }
};

// Of the one kind of event that may be large.
size_t BytesOf(const Event& event) {
  size_t bytes = 0;
  if (const auto* call = std::get_if<CallFinished>(&event)) {
    for (const std::string& statement : call->statements) bytes += statement.size();
    for (const CallFinished::SlowStatement& slow : call->slow) bytes += slow.shape.size();
    bytes += call->failed_statements.size() * sizeof(CallFinished::FailedStatement);
  }
  return bytes;
}

bool IsWorthALine(const Event& event) {
  if (std::holds_alternative<FlightEnded>(event) || std::holds_alternative<CompanyServed>(event)) return false;
  if (std::holds_alternative<CallRetried>(event) || std::holds_alternative<NotificationsCame>(event)) return false;
  const auto* call = std::get_if<CallFinished>(&event);
  return call == nullptr || !call->status.ok() || !call->failed_statements.empty() || !call->statements.empty() ||
         !call->slow.empty();
}

const char* LevelName(Level level) {
  switch (level) {
    case Level::kInfo: return "info";
    case Level::kWarning: return "warning";
    case Level::kError: return "error";
  }
  return "";
}

// Never throws on text that is not UTF-8.
std::string Dump(const Fields& value) { return value.dump(-1, ' ', false, Fields::error_handler_t::replace); }

std::string AsJson(const Line& line, absl::Time now) {
  Fields json = {{"time", absl::FormatTime(absl::RFC3339_full, now, absl::UTCTimeZone())},
                 {"level", LevelName(line.level)},
                 {"event", line.event}};
  json.update(line.fields);
  return Dump(json);
}

std::string AsText(const Line& line, absl::Time now) {
  std::string text = absl::StrCat(absl::FormatTime("%H:%M:%E3S", now, absl::LocalTimeZone()), " ",
                                  LevelName(line.level), " ", line.event);
  for (const auto& [name, value] : line.fields.items()) absl::StrAppend(&text, " ", name, "=", Dump(value));
  return text;
}

}  // namespace

struct Log::State {
  State(const Options& options, int out) : options(options), out(out) {}

  struct Entry {
    absl::Time time;
    Event event;
  };

  const Options options;
  const int out;
  Mutex mu;
  CondVar changed;
  std::vector<Entry> queue ABSL_GUARDED_BY(mu);
  size_t queue_bytes ABSL_GUARDED_BY(mu) = 0;
  int64_t dropped_since_told ABSL_GUARDED_BY(mu) = 0;
  int64_t dropped_in_all ABSL_GUARDED_BY(mu) = 0;
  bool stopping ABSL_GUARDED_BY(mu) = false;
  bool stopped ABSL_GUARDED_BY(mu) = false;

  void Run() {
    for (bool last = false; !last;) {
      std::vector<Entry> entries;
      {
        MutexLock lock(&mu);
        while (queue.empty() && !stopping) changed.Wait(&mu);
        entries.swap(queue);
        queue_bytes = 0;
        if (dropped_since_told > 0) entries.push_back({absl::Now(), LinesDropped{dropped_since_told}});
        dropped_since_told = 0;
        last = stopping;
      }
      for (const Entry& entry : entries) Write(entry);
    }
    MutexLock lock(&mu);
    stopped = true;
    changed.NotifyAll();
  }

  void Write(const Entry& entry) const {
    const Line line = std::visit(Describe(), entry.event);
    const std::string text =
        (options.format == LogFormat::kJson ? AsJson(line, entry.time) : AsText(line, entry.time)) + "\n";
    WriteAll(text);
  }

  // Until all is written or nobody can read it any more.
  void WriteAll(absl::string_view text) const {
    while (!text.empty()) {
      const ssize_t size = write(out, text.data(), text.size());
      if (size >= 0) {
        text.remove_prefix(static_cast<size_t>(size));
      } else if (errno == EAGAIN) {
        // Whoever started the process shares its terminal, and made that non-blocking.
        pollfd writable = {out, POLLOUT, 0};
        poll(&writable, 1, -1);
      } else if (errno != EINTR) {
        return;
      }
    }
  }
};

Log::Log(const Options& options, int out) : state_(std::make_shared<State>(options, out)) {
  std::thread([state = state_] { state->Run(); }).detach();
}

Log::~Log() {
  const absl::Time end = absl::Now() + absl::Seconds(1);
  MutexLock lock(&state_->mu);
  state_->stopping = true;
  state_->changed.NotifyAll();
  while (!state_->stopped && absl::Now() < end) state_->changed.WaitUntil(&state_->mu, end);
}

void Log::Record(const Event& event) {
  if (!IsWorthALine(event)) return;
  {
    MutexLock lock(&state_->mu);
    const size_t bytes = BytesOf(event);
    if (state_->queue.size() >= state_->options.queue_length_max ||
        state_->queue_bytes + bytes > state_->options.queue_bytes_max) {
      ++state_->dropped_since_told;
      ++state_->dropped_in_all;
      return;
    }
    state_->queue_bytes += bytes;
    state_->queue.push_back({absl::Now(), event});
  }
  state_->changed.NotifyOne();
}

int64_t Log::lines_dropped() const {
  MutexLock lock(&state_->mu);
  return state_->dropped_in_all;
}

}  // namespace sluice::observe
