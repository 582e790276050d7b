#include "server/query/ping.h"

#include <google/protobuf/util/time_util.h>

#include <string>

#include "absl/time/clock.h"
#include "server/codec/time_text.h"
#include "server/query/leg.h"
#include "server/query/outcome.h"

namespace sluice::query {

using google::protobuf::util::TimeUtil;

TurnEnd Ping(Turn* turn, v1::PingResponse* response) {
  static const std::string& text =
      *new std::string("SELECT pg_catalog.clock_timestamp(), pg_catalog.pg_is_in_recovery()");
  postgres::Flight flight;
  flight.statements = {text};
  flight.is_proof = true;
  const absl::Time begin = absl::Now();
  const postgres::FlightReport report = turn->Fly(flight);
  if (report.failure.has_value()) {
    Plan plan;
    plan.read_only = true;
    PlannedStatement statement;
    statement.caller_text = &text;
    return {ToStatus(*report.failure, plan, statement, *turn), AskAgain(*report.failure, turn)};
  }
  *response->mutable_database_time() = TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(absl::Now() - begin));
  response->set_server_version(turn->server().server_version);
  int64_t microseconds = 0;
  if (codec::ParseTimestamp(report.results[0].Text(0, 0), &microseconds)) {
    *response->mutable_server_time() = TimeUtil::MicrosecondsToTimestamp(microseconds);
  }
  response->set_in_recovery(report.results[0].Text(0, 1) == "t");
  return {absl::OkStatus()};
}

}  // namespace sluice::query
