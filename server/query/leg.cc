#include "server/query/leg.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/postgres/sqlstate.h"
#include "server/query/outcome.h"

namespace sluice::query {
namespace {

using postgres::Flight;
using postgres::FlightFailure;
using postgres::FlightReport;

bool LooksReadOnly(const Plan& plan, const Leg& leg) {
  if (plan.read_only) return true;
  for (size_t i = leg.first; i < leg.last; ++i) {
    if (!plan.statements[i].bound.facts().looks_read_only) return false;
  }
  return true;
}

Flight FlightFor(const Plan& plan, const Leg& leg, bool force_read_only) {
  Flight flight;
  flight.identity = plan.identity;
  flight.isolation = plan.isolation;
  flight.read_only = plan.read_only || force_read_only;
  flight.deferrable = plan.deferrable;
  flight.answer_bytes_max = plan.answer_bytes_max;
  for (size_t i = leg.first; i < leg.last; ++i) {
    const codec::BoundStatement& bound = plan.statements[i].bound;
    flight.statements.push_back(bound.text);
    if (bound.facts().may_share_transaction) continue;
    flight.alone = true;
    flight.may_commit_midway = true;
  }
  return flight;
}

// PostgreSQL knows statements that can not run in a transaction better than the scanner.
// (But a function may raise this code as well: what is planned always runs in one.)
bool NeedsToFlyAlone(const FlightFailure& failure, const Flight& flight, const sql::Statement& facts) {
  const bool plain = flight.statements.size() == 1 && flight.identity.empty() && !flight.read_only &&
                     !flight.deferrable && flight.isolation == postgres::Isolation::kDefault;
  return plain && !flight.alone && failure.outcome == v1::OUTCOME_ROLLED_BACK && failure.error.sqlstate == "25001" &&
         !facts.is_plannable && !failure.streams_were_used;
}

// Of a failure in a flight that was flown again as a read: the first flight may have done
// what this one was kept from, or found already done.
void AdmitFirstFlight(FlightFailure* failure) {
  failure->outcome = v1::OUTCOME_UNKNOWN;
  if (failure->error.sqlstate == "25006") failure->is_verdict = false;
}

}  // namespace

absl::Status NameStatement(const Plan& plan, size_t index, const absl::Status& status) {
  return plan.is_batch ? WithStatementIndex(status, index) : status;
}

absl::Status CheckStrings(const Plan& plan, const Leg& leg, const Turn& turn) {
  if (turn.strings_conform()) return absl::OkStatus();
  for (size_t i = leg.first; i < leg.last; ++i) {
    if (!plan.statements[i].bound.facts().depends_on_string_setting) continue;
    return NameStatement(plan, i, errors::AmbiguousString());
  }
  return absl::OkStatus();
}

absl::StatusOr<FlightReport> FlyLeg(const Plan& plan, const Leg& leg, Turn* turn, const postgres::Streams& streams) {
  RETURN_IF_ERROR(CheckStrings(plan, leg, *turn));
  Flight flight = FlightFor(plan, leg, turn->cost().flies_again_as_read);
  flight.streams = streams;
  FlightReport report = turn->Fly(flight);
  if (report.failure.has_value() &&
      NeedsToFlyAlone(*report.failure, flight, plan.statements[leg.first].bound.facts())) {
    flight.alone = true;
    flight.may_commit_midway = true;
    report = turn->Fly(flight);
  }
  while (report.failure.has_value() && MayRerun(*report.failure, false) == Rerun::kConflict &&
         turn->cost().reruns < kRerunsMax) {
    ++turn->cost().reruns;
    PauseForAnother(*report.failure, turn);
    report = turn->Fly(flight);
  }
  // A stream takes as long as its client likes.
  const bool is_streamed = streams.sink() != nullptr || streams.copy_in != nullptr;
  if (report.round_trips > 0 && !is_streamed) RecordUse(plan, leg, turn);
  return report;
}

void PauseForAnother(const FlightFailure& failure, Turn* turn) {
  ++turn->cost().attempts;
  turn->cost().conflicts.push_back(postgres::ReasonOfSqlState(failure.error.sqlstate));
  turn->PauseBriefly();
}

void RecordUse(const Plan& plan, const Leg& leg, Turn* turn) {
  CallCost& cost = turn->cost();
  const bool is_slow = turn->server_time() >= cost.slow_after;
  std::vector<sql::KnownStatement*> statements;
  for (size_t i = leg.first; i < leg.last; ++i) {
    const std::shared_ptr<sql::KnownStatement>& known = plan.statements[i].bound.known;
    statements.push_back(known.get());
    if (is_slow && cost.slow.size() < CallCost::kSlowMax) cost.slow.push_back(known);
  }
  sql::RecordUse(statements, turn->server_time());
}

bool AskAgain(const FlightFailure& failure, Turn* turn) {
  const Rerun rerun = MayRerun(failure, /*looks_read_only=*/true);
  const bool is_bounded = rerun == Rerun::kAsReadOnly || rerun == Rerun::kConflict;
  return rerun == Rerun::kNotStarted || (is_bounded && turn->cost().reruns++ < kRerunsMax);
}

TurnEnd EndOfFailure(const Plan& plan, const Leg& leg, FlightFailure failure, Turn* turn) {
  CallCost& cost = turn->cost();
  TurnEnd end;
  Rerun rerun = MayRerun(failure, LooksReadOnly(plan, leg));
  if (rerun == Rerun::kAsReadOnly && cost.reruns++ >= kRerunsMax) rerun = Rerun::kNo;
  end.again = rerun == Rerun::kNotStarted || rerun == Rerun::kAsReadOnly;
  if (cost.flies_again_as_read) AdmitFirstFlight(&failure);
  if (rerun == Rerun::kAsReadOnly) {
    cost.flies_again_as_read = true;
    // Those who share a flight hear its own outcome, and this call's may be that of its first one.
    cost.flies_alone = true;
  }
  const size_t index = std::min(leg.first + failure.statement, leg.last - 1);
  end.status = NameStatement(plan, index, ToStatus(failure, plan, plan.statements[index], *turn));
  return end;
}

}  // namespace sluice::query
