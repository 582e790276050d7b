#include "server/query/execute.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/rpc/status.pb.h"
#include "server/base/error.h"
#include "server/base/errors.h"
#include "server/codec/encode.h"
#include "server/codec/time_text.h"
#include "server/query/outcome.h"
#include "server/query/rpc_status.h"

namespace sluice::query {
namespace {

using postgres::Flight;
using postgres::FlightFailure;
using postgres::FlightReport;

// Times that a call's work may be done over: after that a conflict is the caller's.
constexpr int kRerunsMax = 2;

// Statements [first, last) of a plan, for one flight.
struct Leg {
  size_t first, last;
};

bool LooksReadOnly(const Plan& plan, const Leg& leg) {
  if (plan.read_only) return true;
  return std::all_of(plan.statements.begin() + leg.first, plan.statements.begin() + leg.last,
                     [](const PlannedStatement& statement) { return statement.bound.facts.looks_read_only; });
}

Flight FlightFor(const Plan& plan, const Leg& leg, bool force_read_only) {
  Flight flight;
  flight.isolation = plan.isolation;
  flight.read_only = plan.read_only || force_read_only;
  flight.deferrable = plan.deferrable;
  flight.answer_bytes_max = plan.answer_bytes_max;
  for (size_t i = leg.first; i < leg.last; ++i) {
    const codec::BoundStatement& bound = plan.statements[i].bound;
    flight.statements.push_back(bound.text);
    if (bound.facts.may_share_transaction) continue;
    flight.alone = true;
    flight.may_commit_midway = true;
  }
  return flight;
}

// PostgreSQL knows statements that can not run in a transaction better than the scanner.
bool NeedsToFlyAlone(const FlightFailure& failure, const Flight& flight) {
  const bool plain = flight.statements.size() == 1 && !flight.read_only && !flight.deferrable &&
                     flight.isolation == postgres::Isolation::kDefault;
  return plain && !flight.alone && failure.outcome == v1::OUTCOME_ROLLED_BACK && failure.error.sqlstate == "25001";
}

absl::Status CheckStrings(const Plan& plan, const Leg& leg, const Turn& turn) {
  if (turn.strings_conform()) return absl::OkStatus();
  for (size_t i = leg.first; i < leg.last; ++i) {
    if (plan.statements[i].bound.facts.depends_on_string_setting) return errors::AmbiguousString();
  }
  return absl::OkStatus();
}

// Flies a leg, and again on this connection where that helps and is safe.
FlightReport FlyLeg(const Plan& plan, const Leg& leg, Turn* turn) {
  Flight flight = FlightFor(plan, leg, turn->cost().flies_again_as_read);
  FlightReport report = turn->Fly(flight);
  if (report.failure.has_value() && NeedsToFlyAlone(*report.failure, flight)) {
    flight.alone = true;
    flight.may_commit_midway = true;
    report = turn->Fly(flight);
  }
  while (report.failure.has_value() && MayRerun(*report.failure, false) == Rerun::kConflict &&
         turn->cost().reruns < kRerunsMax) {
    ++turn->cost().reruns;
    ++turn->cost().attempts;
    report = turn->Fly(flight);
  }
  return report;
}

// Of a failure in a flight that was flown again as a read: the first flight may have done
// what this one was kept from, or found already done.
void AdmitFirstFlight(FlightFailure* failure) {
  failure->outcome = v1::OUTCOME_UNKNOWN;
  if (failure->error.sqlstate == "25006") failure->is_verdict = false;
}

// A leg that failed: its status, and whether the call should have another turn.
TurnEnd EndOfFailure(const Plan& plan, const Leg& leg, FlightFailure failure, Turn* turn) {
  CallCost& cost = turn->cost();
  TurnEnd end;
  Rerun rerun = MayRerun(failure, LooksReadOnly(plan, leg));
  if (rerun == Rerun::kAsReadOnly && cost.reruns++ >= kRerunsMax) rerun = Rerun::kNo;
  end.again = rerun == Rerun::kNotStarted || rerun == Rerun::kAsReadOnly;
  if (cost.flies_again_as_read && !plan.read_only) AdmitFirstFlight(&failure);
  if (rerun == Rerun::kAsReadOnly) cost.flies_again_as_read = true;
  const size_t index = std::min(leg.first + failure.statement, leg.last - 1);
  end.status = ToStatus(failure, plan.statements[index], *turn, plan.answer_bytes_max);
  return end;
}

void AddNotices(const FlightReport& report, v1::ResultSet* result) {
  for (const postgres::ServerError& notice : report.notices) {
    v1::Notice* proto = result->add_notices();
    proto->set_severity(notice.severity);
    proto->set_sqlstate(notice.sqlstate);
    proto->set_message(notice.message);
    proto->set_detail(notice.detail);
    proto->set_hint(notice.hint);
  }
}

absl::Status EncodeResult(const Plan& plan, const postgres::Result& result, TypeCatalog* types, Turn* turn,
                          v1::ResultSet* out) {
  if (plan.rows_max > 0 && result.row_count() > plan.rows_max) {
    return errors::ResponseTooLarge("rows", plan.rows_max, result.row_count(), v1::OUTCOME_COMMITTED);
  }
  codec::EncodeOptions options;
  options.timestamps_as_text = plan.timestamps_as_text;
  codec::Encode(result, types->ColumnTypes(result, turn), options, out);
  return absl::OkStatus();
}

template <typename Response>
absl::Status CheckReplySize(const Plan& plan, const Response& response, int64_t rows) {
  if (static_cast<int64_t>(response.ByteSizeLong()) <= plan.reply_bytes_max) return absl::OkStatus();
  return errors::ResponseTooLarge("bytes", plan.reply_bytes_max, rows, v1::OUTCOME_COMMITTED);
}

// Whether one more result fits into the reply, whose size is kept in `bytes`. The statement
// is done; its error says so, and the others keep their results.
absl::Status CheckRoom(const Plan& plan, const v1::BatchResult& outcome, int64_t* bytes) {
  const int64_t with_this = *bytes + static_cast<int64_t>(outcome.ByteSizeLong());
  if (with_this > plan.reply_bytes_max) {
    return errors::ResponseTooLarge("bytes", plan.reply_bytes_max, outcome.result().rows().row_count(),
                                    v1::OUTCOME_COMMITTED);
  }
  *bytes = with_this;
  return absl::OkStatus();
}

}  // namespace

TurnEnd Execute(const Plan& plan, TypeCatalog* types, Turn* turn, v1::ExecuteResponse* response) {
  const Leg leg = {0, 1};
  if (absl::Status strings = CheckStrings(plan, leg, *turn); !strings.ok()) return {strings};
  const FlightReport report = FlyLeg(plan, leg, turn);
  if (report.failure.has_value()) return EndOfFailure(plan, leg, *report.failure, turn);

  v1::ResultSet* result = response->mutable_result();
  absl::Status encoded = EncodeResult(plan, report.results[0], types, turn, result);
  if (!encoded.ok()) return {encoded};
  AddNotices(report, result);
  *response->mutable_info() = turn->Info();
  return {CheckReplySize(plan, *response, report.results[0].row_count())};
}

TurnEnd ExecuteAtomic(const Plan& plan, TypeCatalog* types, Turn* turn, v1::ExecuteBatchResponse* response) {
  const Leg leg = {0, plan.statements.size()};
  if (absl::Status strings = CheckStrings(plan, leg, *turn); !strings.ok()) return {strings};
  const FlightReport report = FlyLeg(plan, leg, turn);
  if (report.failure.has_value()) {
    TurnEnd end = EndOfFailure(plan, leg, *report.failure, turn);
    const size_t index = std::min(report.failure->statement, plan.statements.size() - 1);
    end.status = WithMetadata(end.status, "statementIndex", absl::StrCat(index));
    return end;
  }
  int64_t rows = 0;
  for (const postgres::Result& result : report.results) {
    absl::Status encoded = EncodeResult(plan, result, types, turn, response->add_results()->mutable_result());
    if (!encoded.ok()) return {encoded};
    rows += result.row_count();
  }
  // Notices come between the results, but libpq does not tell behind which.
  AddNotices(report, response->mutable_results(response->results_size() - 1)->mutable_result());
  *response->mutable_info() = turn->Info();
  return {CheckReplySize(plan, *response, rows)};
}

TurnEnd ExecuteIndependent(const Plan& plan, TypeCatalog* types, Turn* turn, v1::ExecuteBatchResponse* response) {
  int64_t bytes = static_cast<int64_t>(response->ByteSizeLong());
  while (static_cast<size_t>(response->results_size()) < plan.statements.size()) {
    const size_t index = response->results_size();
    const Leg leg = {index, index + 1};
    v1::BatchResult outcome;
    absl::Status status = CheckStrings(plan, leg, *turn);
    if (status.ok()) {
      const FlightReport report = FlyLeg(plan, leg, turn);
      if (report.failure.has_value()) {
        const TurnEnd end = EndOfFailure(plan, leg, *report.failure, turn);
        if (end.again) return end;
        status = end.status;
      } else {
        status = EncodeResult(plan, report.results[0], types, turn, outcome.mutable_result());
        AddNotices(report, outcome.mutable_result());
      }
    }
    if (status.ok()) status = CheckRoom(plan, outcome, &bytes);
    if (!status.ok()) {
      *outcome.mutable_error() = ToRpcStatus(WithMetadata(status, "statementIndex", absl::StrCat(index)));
    }
    *response->add_results() = std::move(outcome);
    turn->cost().flies_again_as_read = false;
    turn->cost().reruns = 0;
  }
  *response->mutable_info() = turn->Info();
  return {absl::OkStatus()};
}

void GiveUpRest(const Plan& plan, const absl::Status& next, const absl::Status& rest,
                v1::ExecuteBatchResponse* response) {
  const size_t first = response->results_size();
  for (size_t index = first; index < plan.statements.size(); ++index) {
    *response->add_results()->mutable_error() =
        ToRpcStatus(WithMetadata(index == first ? next : rest, "statementIndex", absl::StrCat(index)));
  }
}

TurnEnd Ping(Turn* turn, v1::PingResponse* response) {
  static const std::string& text =
      *new std::string("SELECT pg_catalog.clock_timestamp(), pg_catalog.pg_is_in_recovery()");
  Flight flight;
  flight.statements = {text};
  const absl::Time begin = absl::Now();
  const FlightReport report = turn->Fly(flight);
  if (report.failure.has_value()) {
    PlannedStatement statement;
    statement.caller_text = &text;
    return {ToStatus(*report.failure, statement, *turn, flight.answer_bytes_max),
            MayRerun(*report.failure, /*looks_read_only=*/true) != Rerun::kNo && turn->cost().reruns++ < kRerunsMax};
  }
  response->mutable_database_time()->set_nanos(
      static_cast<int32_t>(std::min<int64_t>(absl::ToInt64Nanoseconds(absl::Now() - begin), 999999999)));
  response->set_server_version(turn->server().server_version);
  int64_t microseconds = 0;
  if (codec::ParseTimestamp(report.results[0].Text(0, 0), &microseconds)) {
    response->mutable_server_time()->set_seconds(microseconds / 1000000);
    response->mutable_server_time()->set_nanos(static_cast<int32_t>(microseconds % 1000000 * 1000));
  }
  response->set_in_recovery(report.results[0].Text(0, 1) == "t");
  return {absl::OkStatus()};
}

}  // namespace sluice::query
