#include "server/query/turn.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/query/aside.h"
#include "server/sql/shape.h"

namespace sluice::query {
namespace {

google::protobuf::Duration ToProto(absl::Duration duration) {
  return google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(duration));
}

}  // namespace

observe::Span SpanOfStatement(absl::string_view statement, const postgres::FlightReport& report, size_t i,
                              absl::Time begin, absl::Time end) {
  observe::Span span;
  const bool completed = i < report.results.size();
  span.name = completed ? report.results[i].command() : "statement";
  // They run one after the other; when each began, nobody says.
  span.begin = begin;
  span.end = end;
  span.attributes = {{"db.system.name", "postgresql"}, {"db.query.text", sql::ShapeOf(statement).text}};
  if (completed) {
    span.attributes.emplace_back("db.response.returned_rows", absl::StrCat(report.results[i].row_count()));
  } else if (report.failure.has_value() && report.failure->statement == i && !report.failure->error.sqlstate.empty()) {
    span.attributes.emplace_back("db.response.status_code", report.failure->error.sqlstate);
  }
  return span;
}

observe::Span SpanOf(const std::vector<absl::string_view>& statements, const postgres::FlightReport& report,
                     absl::Time begin, absl::Time end) {
  constexpr size_t kStatementsMax = 20;
  observe::Span flight;
  flight.name = "flight";
  flight.begin = begin;
  flight.end = end;
  flight.attributes = {{"db.system.name", "postgresql"}, {"db.operation.batch.size", absl::StrCat(statements.size())}};
  for (size_t i = 0; i < std::min(statements.size(), kStatementsMax); ++i) {
    flight.parts.push_back(SpanOfStatement(statements[i], report, i, begin, end));
  }
  return flight;
}

postgres::FlightReport Turn::Fly(postgres::Flight flight, absl::Time until) {
  flight.time = time_;
  flight.time.work_until = std::min(time_.work_until, until);
  if (!token_.Board(&connection_)) {
    postgres::FlightReport report;
    report.failure.emplace();
    report.failure->outcome = v1::OUTCOME_NOT_STARTED;
    report.failure->cut_short = postgres::CutShort::kByCaller;
    return report;
  }
  const int statements = static_cast<int>(flight.statements.size());
  if (cost_.trace != nullptr) flight.comments.assign(flight.statements.size(), cost_.trace->comment());
  const absl::Time begin = absl::Now();
  postgres::FlightReport report = connection_.Fly(flight);
  token_.Leave();
  const absl::Time end = absl::Now();
  const absl::Duration took = end - begin;
  if (cost_.trace != nullptr && cost_.trace->has_room() && report.round_trips > 0) {
    cost_.trace->Add(SpanOf(flight.statements, report, begin, end));
  }
  cost_.database_time += took;
  server_time_ = took - connection_.round_trip();
  cost_.round_trips += report.round_trips;
  cost_.flight_statements = statements;
  return report;
}

postgres::FlightReport Turn::Ask(postgres::Flight flight) {
  const bool is_inside = asks_inside_ && connection_.state() == postgres::SessionState::kInTransaction;
  if (is_inside) flight.bracket = postgres::Bracket::kContinues;
  if (connection_.state() != postgres::SessionState::kIdle && !is_inside) {
    constexpr absl::Duration kPatience = absl::Seconds(2);
    return AskAside(&line_, flight, std::min(absl::Now() + kPatience, time_.work_until));
  }
  const int flight_statements = cost_.flight_statements;
  const absl::Duration server_time = server_time_;
  postgres::FlightReport report = Fly(std::move(flight));
  cost_.flight_statements = flight_statements;
  server_time_ = server_time;
  return report;
}

void Turn::Undo() {
  if (connection_.state() != postgres::SessionState::kInTransaction) return;
  // What may still arrive would cancel this as well.
  if (connection_.cancel_may_still_arrive()) return;
  postgres::Flight flight;
  flight.statements = {"ROLLBACK"};
  flight.bracket = postgres::Bracket::kContinues;
  flight.alone = true;
  flight.time = TimeBudget::Of(absl::Now(), absl::Seconds(2));
  // Nobody can mean this flight: the call has no part in it.
  connection_.ClearInterrupt();
  ++cost_.round_trips;
  connection_.Fly(flight);
}

void Turn::PauseBriefly() {
  static thread_local absl::BitGen random;
  const absl::Duration pause = absl::Milliseconds(absl::Uniform(random, 1, 10));
  if (absl::Now() + pause < time_.work_until && !token_.cancelled()) absl::SleepFor(pause);
}

v1::CallInfo InfoOf(const CallCost& cost) {
  v1::CallInfo info;
  *info.mutable_queue_time() = ToProto(cost.queue_time);
  *info.mutable_database_time() = ToProto(cost.database_time);
  info.set_round_trips(cost.round_trips);
  info.set_attempts(cost.attempts);
  info.set_source(cost.is_repeated ? v1::CallInfo::REPLAYED
                  : cost.is_merged ? v1::CallInfo::CONSOLIDATED
                                   : v1::CallInfo::DATABASE);
  info.set_backend_pid(cost.backend_pid);
  info.set_flight_statements(cost.flight_statements);
  return info;
}

}  // namespace sluice::query
