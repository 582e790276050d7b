#include "server/query/once.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "server/base/error.h"
#include "server/base/errors.h"
#include "server/postgres/connection.h"
#include "server/query/leg.h"
#include "server/query/outcome.h"

namespace sluice::query {
namespace {

using postgres::Flight;
using postgres::FlightFailure;
using postgres::FlightReport;
using postgres::SessionState;

// As the session logged in.
constexpr char kNobody[] = "SELECT pg_catalog.set_config('role', 'none', true)";

bool IsByTheCall(const FlightFailure& failure) {
  return failure.cut_short == postgres::CutShort::kByCaller || failure.cut_short == postgres::CutShort::kByDeadline;
}

const PlannedStatement& Nothing() {
  static const auto& nothing = *new PlannedStatement();
  return nothing;
}

}  // namespace

TurnEnd Once::Do() {
  const absl::Status strings = CheckStrings(plan_, {0, plan_.statements.size()}, turn_);
  if (!strings.ok()) return {strings};
  for (;;) {
    if (End end = Try()) return *std::move(end);
    response_.Clear();
  }
}

Once::End Once::Try() {
  FlightReport report = Work();
  if (report.failure.has_value()) return EndOfWork(report);

  const std::string place(report.results[0].Text(0, 0));
  // The plan's own results are the last ones.
  report.results.erase(report.results.begin(), report.results.end() - static_cast<int>(plan_.statements.size()));
  if (const absl::Status encoded = encode_(report); !encoded.ok()) {
    turn_.Undo();
    return TurnEnd{WithOutcome(encoded, v1::OUTCOME_ROLLED_BACK)};
  }
  return Commit(place);
}

FlightReport Once::Work() {
  const std::string claim = Ledger::Claim(*plan_.request_id);
  Flight flight;
  flight.bracket = postgres::Bracket::kOpens;
  flight.isolation = plan_.isolation;
  flight.deferrable = plan_.deferrable;
  flight.answer_bytes_max = plan_.answer_bytes_max;
  // The ledger is the gateway's: the role comes behind it.
  flight.statements = {claim};
  if (!plan_.identity.empty()) flight.statements.push_back(plan_.identity);
  for (const PlannedStatement& statement : plan_.statements) flight.statements.push_back(statement.bound.text);
  return turn_.Fly(flight);
}

Once::End Once::Commit(absl::string_view place) {
  const std::string keep = Ledger::Keep(place, response_.SerializeAsString());
  Flight flight;
  flight.bracket = postgres::Bracket::kContinues;
  flight.statements = {kNobody, keep};
  // Deferred constraints and triggers run as whoever the work ran as.
  if (!plan_.identity.empty()) flight.statements.push_back(plan_.identity);
  flight.statements.push_back("COMMIT");
  const FlightReport report = turn_.Fly(flight);
  if (report.failure.has_value()) return EndOfCommit(*report.failure);
  ledger_.OnAdded(turn_.line());
  return TurnEnd{absl::OkStatus()};
}

Once::End Once::EndOfWork(const FlightReport& report) {
  const FlightFailure& failure = *report.failure;
  // The id was free: nothing that was tried before has been committed.
  if (!report.results.empty()) turn_.cost().commit_is_unknown = false;
  const SessionState session = turn_.session();
  if (session == SessionState::kInTransaction && failure.statement == 0 && failure.error.sqlstate == "23505") {
    turn_.Undo();
    return Repeat();
  }
  // Idle: a syntax error, before anything has run.
  const bool is_judged = session == SessionState::kIdle && failure.is_verdict;
  if (session == SessionState::kInTransaction || is_judged) return RolledBack(failure, StatusOfWork(failure));
  if (failure.outcome == v1::OUTCOME_NOT_STARTED) {
    const bool again = MayRerun(failure, /*looks_read_only=*/false) == Rerun::kNotStarted;
    return TurnEnd{ToStatus(failure, plan_, Nothing(), turn_), again};
  }
  return ConnectionLost(failure);
}

Once::End Once::EndOfCommit(const FlightFailure& failure) {
  const absl::Status status = StatusOfLedger(failure, /*place=*/1);
  const SessionState session = turn_.session();
  // Idle: a constraint that COMMIT has looked at.
  const bool is_judged = session == SessionState::kIdle && failure.is_verdict;
  if (session == SessionState::kInTransaction || is_judged) return RolledBack(failure, status);
  const bool was_sent = failure.outcome == v1::OUTCOME_UNKNOWN && !failure.is_verdict;
  if (!was_sent) return ConnectionLost(failure);
  turn_.cost().commit_is_unknown = true;
  if (IsByTheCall(failure)) return TurnEnd{status};
  return TurnEnd{errors::OutcomeUnknown(failure.error.message, /*is_kept=*/true), MayTryAgain()};
}

Once::End Once::Repeat() {
  const std::string forget = ledger_.Forget(*plan_.request_id), find = Ledger::Find(*plan_.request_id);
  Flight flight;
  flight.isolation = postgres::Isolation::kReadCommitted;
  flight.statements = {forget, find};
  const FlightReport report = turn_.Fly(flight);
  if (report.failure.has_value()) {
    // Somebody has committed under this id.
    turn_.cost().commit_is_unknown = true;
    if (IsByTheCall(*report.failure)) return TurnEnd{Told(ToStatus(*report.failure, plan_, Nothing(), turn_))};
    return TurnEnd{errors::OutcomeUnknown(report.failure->error.message, /*is_kept=*/true), MayTryAgain()};
  }
  // It was too old, and is gone: the id is free. (Not again and again: until the deadline, and a new entry is not old.)
  if (report.results[1].row_count() == 0) return std::nullopt;
  const Ledger::Entry entry = Ledger::Read(report.results[1]);
  if (!entry.is_same) return TurnEnd{errors::RequestIdReused(plan_.request_id->id)};
  if (!entry.has_answer) return TurnEnd{errors::AnswerNotKept(entry.answer_bytes, Ledger::kAnswerBytesMax)};
  if (!response_.ParseFromString(entry.answer)) {
    return TurnEnd{errors::Bug("an answer in the ledger can not be read", v1::OUTCOME_COMMITTED)};
  }
  turn_.cost().is_repeated = true;
  return TurnEnd{absl::OkStatus()};
}

// The transaction is still open, or was ended by what PostgreSQL says.
Once::End Once::RolledBack(const FlightFailure& failure, const absl::Status& status) {
  turn_.Undo();
  if (MayRerun(failure, /*looks_read_only=*/false) == Rerun::kConflict && MayTryAgain()) {
    ++turn_.cost().attempts;
    turn_.PauseBriefly();
    return std::nullopt;
  }
  return TurnEnd{Told(WithOutcome(status, v1::OUTCOME_ROLLED_BACK))};
}

// COMMIT was not sent: the transaction is lost with the connection, and can be made again.
Once::End Once::ConnectionLost(const FlightFailure& failure) {
  if (IsByTheCall(failure)) {
    return TurnEnd{Told(WithOutcome(ToStatus(failure, plan_, Nothing(), turn_), v1::OUTCOME_ROLLED_BACK))};
  }
  return TurnEnd{Told(errors::TransactionLost(failure.error.message)), MayTryAgain()};
}

bool Once::MayTryAgain() { return turn_.cost().reruns++ < kRerunsMax; }

// What an earlier try may have committed is not forgotten.
absl::Status Once::Told(const absl::Status& status) const {
  return turn_.cost().commit_is_unknown ? WithOutcome(status, v1::OUTCOME_UNKNOWN) : status;
}

// `place`: which of the flight's statements is about the ledger.
absl::Status Once::StatusOfLedger(const FlightFailure& failure, size_t place) const {
  const std::string& sqlstate = failure.error.sqlstate;
  const bool is_closed = absl::StartsWith(sqlstate, "42") || sqlstate == "3F000";
  if (failure.is_verdict && failure.statement == place && is_closed) {
    return errors::LedgerUnavailable(failure.error.message, sqlstate);
  }
  return ToStatus(failure, plan_, Nothing(), turn_);
}

absl::Status Once::StatusOfWork(const FlightFailure& failure) const {
  const size_t first = plan_.identity.empty() ? 1 : 2;
  if (failure.statement == 0) return StatusOfLedger(failure, /*place=*/0);
  if (failure.statement < first && failure.is_verdict) {
    return errors::IdentityRefused(plan_.role, failure.error.message, failure.error.sqlstate);
  }
  const size_t index = std::min(std::max(failure.statement, first) - first, plan_.statements.size() - 1);
  return NameStatement(plan_, index, ToStatus(failure, plan_, plan_.statements[index], turn_));
}

}  // namespace sluice::query
