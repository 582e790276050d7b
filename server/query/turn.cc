#include "server/query/turn.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

#include "absl/random/random.h"
#include "absl/time/clock.h"

namespace sluice::query {
namespace {

google::protobuf::Duration ToProto(absl::Duration duration) {
  return google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(duration));
}

}  // namespace

postgres::FlightReport Turn::Fly(postgres::Flight flight) {
  flight.deadline = deadline_;
  if (!token_.Board(&connection_)) {
    postgres::FlightReport report;
    report.failure.emplace();
    report.failure->outcome = v1::OUTCOME_NOT_STARTED;
    report.failure->cut_short = postgres::CutShort::kByCaller;
    return report;
  }
  const absl::Time begin = absl::Now();
  postgres::FlightReport report = connection_.Fly(flight);
  token_.Leave();
  cost_.database_time += absl::Now() - begin;
  cost_.round_trips += report.round_trips;
  return report;
}

void Turn::PauseBriefly() {
  static thread_local absl::BitGen random;
  const absl::Duration pause = absl::Milliseconds(absl::Uniform(random, 1, 10));
  if (absl::Now() + pause < deadline_ && !token_.cancelled()) absl::SleepFor(pause);
}

v1::CallInfo Turn::Info() const {
  v1::CallInfo info;
  *info.mutable_queue_time() = ToProto(cost_.queue_time);
  *info.mutable_database_time() = ToProto(cost_.database_time);
  info.set_round_trips(cost_.round_trips);
  info.set_attempts(cost_.attempts);
  info.set_backend_pid(cost_.backend_pid);
  return info;
}

}  // namespace sluice::query
