#include "server/observe/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/mutex.h"
#include "server/observe/gauges.h"

namespace sluice::observe {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using prometheus::Labels;

// From half a millisecond, which a point read takes nearby, to what a call may take without a deadline of its own.
const Histogram::BucketBoundaries& Seconds() {
  static const auto& bounds = *new Histogram::BucketBoundaries{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                               0.25,   0.5,   1,      2.5,   5,    10,    30};
  return bounds;
}

const Histogram::BucketBoundaries& Sizes() {
  static const auto& bounds = *new Histogram::BucketBoundaries{1, 2, 4, 8, 16, 32, 64, 128, 1000};
  return bounds;
}

// The classes that PostgreSQL's documentation lists (appendix A), and those of the standard that extensions use. A
// statement may RAISE any other one.
constexpr absl::string_view kClasses[] = {"00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P",
                                          "0Z", "20", "21", "22", "23", "24", "25", "26", "27", "28", "2B",
                                          "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42", "44",
                                          "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "PT", "XX"};

std::string ClassOf(const std::string& sqlstate) {
  if (sqlstate.empty()) return "none";
  for (const absl::string_view known : kClasses) {
    if (absl::string_view(sqlstate).substr(0, 2) == known) return std::string(known);
  }
  return "other";
}

// Values of a label, of which the first so many are told apart.
class Few {
 public:
  explicit Few(size_t values_max) : values_max_(values_max) {}

  std::string operator()(const std::string& value) {
    MutexLock lock(&mu_);
    if (values_.contains(value)) return value;
    if (values_.size() >= values_max_) return "other";
    values_.insert(value);
    return value;
  }

 private:
  const size_t values_max_;
  Mutex mu_;
  absl::flat_hash_set<std::string> values_ ABSL_GUARDED_BY(mu_);
};

const char* NameOf(CallPriority priority) {
  switch (priority) {
    case CallPriority::kHigh: return "high";
    case CallPriority::kNormal: return "normal";
    case CallPriority::kLow: return "low";
  }
  return "";
}

// Series by the label that they are for: to find them by all their labels in a family takes a microsecond for each.
template <typename Series>
class Shelf {
 public:
  explicit Shelf(std::function<Series(const std::string&)> make) : make_(std::move(make)) {}

  const Series& operator[](const std::string& label) {
    MutexLock lock(&mu_);
    std::unique_ptr<const Series>& series = series_[label];
    if (series == nullptr) series = std::make_unique<const Series>(make_(label));
    return *series;
  }

 private:
  const std::function<Series(const std::string&)> make_;
  Mutex mu_;
  absl::flat_hash_map<std::string, std::unique_ptr<const Series>> series_ ABSL_GUARDED_BY(mu_);
};

double ToSeconds(absl::Duration duration) { return absl::ToDoubleSeconds(duration); }

}  // namespace

struct Metrics::Families {
  // A series that begins with the first thing that it counts has no increase then, so what alerts look at is there
  // from the start.
  Families() {
    for (const char* method : {"Execute", "ExecuteBatch", "ExecuteStream", "Transact", "CopyIn", "CopyOut"}) {
      unknown.Add({{"method", method}});
    }
    for (const char* priority : {"high", "normal", "low"}) {
      for (const char* reason : {"GATEWAY_OVERLOADED", "QUEUE_TIMEOUT"}) {
        shed.Add({{"priority", priority}, {"reason", reason}});
      }
    }
    rollbacks.Add({{"cause", "idle"}});
    connect_failures.Add({{"sqlstate_class", "none"}});
  }

  Family<Counter>& Counters(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  Family<Histogram>& Histograms(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  void operator()(const CallFinished& e) {
    const OfMethod& of_method = of_methods[e.method];
    const bool is_plain = e.status.ok() && e.tag.empty();
    (is_plain ? of_method.plain : Requests(e.method, e.status.code(), tags(e.tag))).Increment();
    of_method.attempts.Increment(e.attempts);
    // What is refused at once would make an overload look quick.
    if (e.took > absl::ZeroDuration()) {
      of_method.request.Observe(ToSeconds(e.took));
      (e.status.ok() ? of_method.rpc_ok : Rpc(e.method, e.status.code())).Observe(ToSeconds(e.took));
      of_priorities[static_cast<size_t>(e.priority)]->Observe(ToSeconds(e.queue_time));
    }
    if (e.round_trips > 0) of_method.database.Observe(ToSeconds(e.database_time));
    if (e.is_repeated) replayed.Add({}).Increment();
    if (e.method == "Transact" && !e.is_committed) rollbacks.Add({{"cause", CauseOf(e.status)}}).Increment();
    for (const std::string& reason : e.conflicts) retries.Add({{"reason", reason}}).Increment();
    for (const CallFinished::FailedStatement& failed : e.failed_statements) {
      CountError(e.method, failed.reason, failed.outcome);
    }
    if (!e.status.ok()) CountError(e);
  }
  // Why a transaction was not committed.
  static std::string CauseOf(const absl::Status& status) {
    if (status.ok()) return "client";
    if (OutcomeOf(status) == v1::OUTCOME_UNKNOWN) return "unknown";
    const std::string reason = ReasonOf(status);
    if (reason == "TRANSACTION_IDLE") return "idle";
    if (reason == "TRANSACTION_TOO_LONG" || reason == "DEADLINE_EXCEEDED") return "lifetime";
    if (reason == "CANCELLED") return "disconnect";
    if (reason == "CANCELLED_BY_OPERATOR") return "operator";
    if (reason == "GATEWAY_OVERLOADED" || reason == "QUEUE_TIMEOUT") return "unserved";
    return reason == "DRAINING" ? "drain" : "error";
  }
  Counter& Requests(const std::string& method, absl::StatusCode code, const std::string& tag) {
    return requests.Add({{"method", method}, {"code", absl::StatusCodeToString(code)}, {"tag", tag}});
  }
  Histogram& Rpc(const std::string& method, absl::StatusCode code) {
    return rpc_seconds.Add({{"rpc_system_name", "grpc"},
                            {"rpc_method", absl::StrCat("sluice.v1.Database/", method)},
                            {"rpc_response_status_code", absl::StatusCodeToString(code)}},
                           Seconds());
  }
  Histogram* OfPriority(CallPriority priority) {
    return &queue_seconds.Add({{"priority", NameOf(priority)}}, Seconds());
  }
  void CountError(const CallFinished& e) {
    const ErrorFacts facts = FactsOf(e.status);
    // One of a closed set: what a function makes up (ERRCODE = 'XY123') is POSTGRES_ERROR.
    const std::string reason = facts.reason.empty() ? "other" : facts.reason;
    CountError(e.method, reason, std::string(OutcomeName(facts.outcome)));
    const bool is_shed = reason == "GATEWAY_OVERLOADED" || reason == "QUEUE_TIMEOUT" || reason == "DRAINING";
    if (is_shed && facts.outcome == v1::OUTCOME_NOT_STARTED) {
      shed.Add({{"priority", NameOf(e.priority)}, {"reason", reason}}).Increment();
    }
  }

  void CountError(const std::string& method, const std::string& reason, const std::string& outcome) {
    errors.Add({{"reason", reason}, {"outcome", outcome}}).Increment();
    if (outcome == OutcomeName(v1::OUTCOME_UNKNOWN)) unknown.Add({{"method", method}}).Increment();
  }

  void operator()(const FlightEnded& e) {
    round_trips.Increment();
    flight_statements.Observe(e.statements);
    rows.Increment(static_cast<double>(e.rows));
    bytes_sent.Increment(static_cast<double>(e.bytes_sent));
    bytes_received.Increment(static_cast<double>(e.bytes_received));
    for (const std::string& command : e.commands) of_commands[commands(command)].completed.Increment();
    if (e.failed) {
      const std::string sqlstate_class = ClassOf(e.sqlstate);
      statements.Add({{"command", "failed"}, {"sqlstate_class", sqlstate_class}}).Increment();
      Operation({{"db_operation_name", OperationOf(e)}, {"error_type", sqlstate_class}}).Observe(ToSeconds(e.took));
    } else {
      of_commands[OperationOf(e)].operation.Observe(ToSeconds(e.took));
    }
    if (e.cancel != FlightEnded::Cancel::kNone) {
      const bool sent = e.cancel == FlightEnded::Cancel::kSent;
      cancels.Add({{"result", sent ? "sent" : "can_not"}}).Increment();
    }
  }
  Histogram& Operation(Labels labels) {
    labels.insert({"db_system_name", "postgresql"});
    return operation_seconds.Add(labels, Seconds());
  }
  // OpenTelemetry's way: BATCH where there are several.
  std::string OperationOf(const FlightEnded& e) {
    if (e.statements > 1) return "BATCH";
    return e.commands.empty() ? "unknown" : commands(e.commands[0]);
  }

  void operator()(const CompanyServed& e) {
    coalesced.Observe(e.calls);
    merged.Add({{"where", "flight"}}).Increment(e.merged);
  }
  void operator()(const CallRetried& e) { retries.Add({{"reason", e.reason}}).Increment(); }
  void operator()(const ConnectionOpened& e) { connect_seconds.Observe(ToSeconds(e.took)); }
  void operator()(const ConnectionFailed& e) {
    connect_failures.Add({{"sqlstate_class", ClassOf(e.sqlstate)}}).Increment();
  }
  void operator()(const ConnectionDiscarded& e) { discards.Add({{"reason", e.why}}).Increment(); }
  void operator()(const ListenerLost& e) {
    listener_losses.Increment();
    if (e.makes_gap) listen_gaps.Increment();
  }
  void operator()(const NotificationsCame& e) { notifications.Increment(static_cast<double>(e.count)); }
  template <typename Other>
  void operator()(const Other&) {}

  prometheus::Registry registry;
  Few commands{200};
  // The empty one, too.
  Few tags{101};

  Family<Counter>& requests =
      Counters("sluice_requests_total",
               "Calls that have ended, by method, gRPC's code and the tag that their callers gave them.");
  Family<Histogram>& request_seconds =
      Histograms("sluice_request_duration_seconds", "From a call's arrival to its answer.");
  Family<Histogram>& rpc_seconds = Histograms("rpc_server_call_duration_seconds", "The same, by OpenTelemetry's name.");
  Family<Histogram>& queue_seconds =
      Histograms("sluice_queue_wait_seconds", "What of it a call waited for a connection.");
  Family<Histogram>& database_seconds =
      Histograms("sluice_database_seconds", "What of it the database, and the way there and back, took.");
  Counter& round_trips =
      Counters("sluice_round_trips_total", "Messages to the database, each with its answer.").Add({});
  Family<Counter>& errors = Counters("sluice_errors_total",
                                     "Calls that failed, by reason and by what became of their work (docs/errors.md).");
  Family<Counter>& unknown =
      Counters("sluice_outcome_unknown_total", "Calls of whose work nobody knows whether it was done.");
  Family<Counter>& shed = Counters("sluice_shed_total", "Calls that were refused, or had waited in vain, unserved.");
  Family<Counter>& retries = Counters("sluice_retries_total", "Turns that calls had after their first, by reason.");
  Family<Counter>& attempts =
      Counters("sluice_attempts_total", "Tries at calls, those within a turn (a serialization failure) included.");
  Family<Counter>& replayed =
      Counters("sluice_replayed_total", "Calls with a request_id that got the answer of an earlier one.");
  Histogram& flight_statements =
      Histograms("sluice_flight_statements", "Statements in one message to the database.").Add({}, Sizes());
  Histogram& coalesced =
      Histograms("sluice_coalesced_statements", "Calls that shared a flight, where at least two did.").Add({}, Sizes());
  Family<Counter>& merged =
      Counters("sluice_consolidated_total", "Calls that got the answer of another one that asked for the same.");
  Family<Counter>& statements =
      Counters("sluice_statements_total", "Statements that PostgreSQL completed, by command, and those that failed.");
  Family<Histogram>& operation_seconds =
      Histograms("db_client_operation_duration_seconds", "One message to the database and its answer.");
  Counter& rows = Counters("sluice_rows_total", "Rows that the database sent.").Add({});
  Counter& bytes_sent = Counters("sluice_bytes_sent_total", "Of messages to the database.").Add({});
  Counter& bytes_received = Counters("sluice_bytes_received_total", "Of its answers, about.").Add({});
  Family<Counter>& cancels =
      Counters("sluice_cancel_requests_total", "Flights that were cut short, and whether a cancel could be sent.");
  Histogram& connect_seconds =
      Histograms("db_client_connection_create_time_seconds", "To open a connection.").Add({}, Seconds());
  Family<Counter>& connect_failures =
      Counters("sluice_connect_failures_total", "Attempts to open a connection that came to nothing.");
  Family<Counter>& discards = Counters("sluice_connection_discards_total", "Connections that were closed, by reason.");
  Family<Counter>& rollbacks =
      Counters("sluice_transaction_rollbacks_total", "Calls of Transact that committed nothing, or nobody knows.");
  Counter& notifications = Counters("sluice_notifications_total", "Notifications that the database sent.").Add({});
  Counter& listen_gaps =
      Counters("sluice_listen_gaps_total", "Times that subscribers may have missed notifications, and were told.")
          .Add({});
  Counter& listener_losses =
      Counters("sluice_listener_losses_total", "Times that the connection for LISTEN was lost.").Add({});

  struct OfMethod {
    // Of calls that went well and have no tag.
    Counter& plain;
    Counter& attempts;
    Histogram& request;
    Histogram& rpc_ok;
    Histogram& database;
  };
  Shelf<OfMethod> of_methods{[this](const std::string& method) {
    return OfMethod{Requests(method, absl::StatusCode::kOk, tags("")), attempts.Add({{"method", method}}),
                    request_seconds.Add({{"method", method}}, Seconds()), Rpc(method, absl::StatusCode::kOk),
                    database_seconds.Add({{"method", method}}, Seconds())};
  }};
  std::array<Histogram*, 3> of_priorities = {OfPriority(CallPriority::kHigh), OfPriority(CallPriority::kNormal),
                                             OfPriority(CallPriority::kLow)};
  struct OfCommand {
    Counter& completed;
    Histogram& operation;
  };
  Shelf<OfCommand> of_commands{[this](const std::string& command) {
    return OfCommand{statements.Add({{"command", command}, {"sqlstate_class", "00"}}),
                     Operation({{"db_operation_name", command}})};
  }};
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {}
Metrics::~Metrics() = default;

void Metrics::Record(const Event& event) { std::visit(*families_, event); }

std::string Metrics::Text(const State& state) const {
  std::vector<prometheus::MetricFamily> all = families_->registry.Collect();
  std::vector<prometheus::MetricFamily> gauges = GaugesOf(state);
  all.insert(all.end(), std::make_move_iterator(gauges.begin()), std::make_move_iterator(gauges.end()));
  return prometheus::TextSerializer().Serialize(all);
}

namespace {

void AddTo(const prometheus::ClientMetric::Histogram& histogram, std::vector<Totals::Bucket>* buckets) {
  buckets->resize(histogram.bucket.size());
  int64_t below = 0;
  for (size_t i = 0; i < histogram.bucket.size(); ++i) {
    const auto up_to_here = static_cast<int64_t>(histogram.bucket[i].cumulative_count);
    (*buckets)[i].up_to = histogram.bucket[i].upper_bound;
    (*buckets)[i].count += up_to_here - below;
    below = up_to_here;
  }
}

bool HasCodeOk(const prometheus::ClientMetric& metric) {
  return absl::c_any_of(metric.label, [](const auto& label) { return label.name == "code" && label.value == "OK"; });
}

}  // namespace

// Read off what is counted already.
Totals Metrics::totals() const {
  Totals totals;
  for (const prometheus::MetricFamily& family : families_->registry.Collect()) {
    for (const prometheus::ClientMetric& metric : family.metric) {
      const auto count = static_cast<int64_t>(metric.counter.value);
      if (family.name == "sluice_requests_total") {
        totals.calls += count;
        if (!HasCodeOk(metric)) totals.failures += count;
      }
      if (family.name == "sluice_flight_statements") {
        totals.flights += static_cast<int64_t>(metric.histogram.sample_count);
        totals.statements += static_cast<int64_t>(metric.histogram.sample_sum);
        AddTo(metric.histogram, &totals.sizes);
      }
      if (family.name == "sluice_request_duration_seconds") AddTo(metric.histogram, &totals.durations);
      if (family.name == "sluice_rows_total") totals.rows += count;
      if (family.name == "sluice_retries_total") totals.retries += count;
    }
  }
  return totals;
}

}  // namespace sluice::observe
