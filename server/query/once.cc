#include "server/query/once.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
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

// As the session logged in, and with nobody's functions: whatever the work has set for itself.
constexpr char kNobody[] =
    "SELECT pg_catalog.set_config('role', 'none', true), pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', "
    "true)";

// What was deferred to the commit is looked at while the work's own role and settings are in force.
constexpr char kNothingDeferred[] = "SET CONSTRAINTS ALL IMMEDIATE";

// Of the first flight: the claim, its patience, and with an identity that.
constexpr size_t kClaim = 0, kIdentity = 2;

// A gateway that vanishes between the two flights leaves a session that nobody ends: PostgreSQL does.
std::string Patience(absl::Duration left) {
  const absl::Duration idle_max = std::clamp(left, absl::ZeroDuration(), absl::Hours(1)) + absl::Seconds(5);
  return absl::StrCat("SELECT pg_catalog.set_config('idle_in_transaction_session_timeout', '",
                      absl::ToInt64Milliseconds(idle_max), "', true)");
}

bool IsByTheCall(const FlightFailure& failure) {
  return failure.cut_short == postgres::CutShort::kByCaller || failure.cut_short == postgres::CutShort::kByDeadline;
}

// There is no ledger, or none that could have taken anything.
bool IsClosed(const FlightFailure& failure) {
  if (!failure.is_verdict) return false;
  for (const char* sqlstate : {"42P01", "3F000", "42703", "42804"}) {
    if (failure.error.sqlstate == sqlstate) return true;
  }
  return false;
}

const PlannedStatement& Nothing() {
  static const auto& nothing = *new PlannedStatement();
  return nothing;
}

}  // namespace

TurnEnd Once::Do() {
  const absl::Status strings = CheckStrings(plan_, {0, plan_.statements.size()}, turn_);
  if (!strings.ok()) return {strings};
  if (const absl::Status sound = ledger_.Examine(&turn_); !sound.ok()) return {Told(sound)};
  for (;;) {
    if (End end = Try()) return *std::move(end);
  }
}

Once::End Once::Try() {
  // Of an earlier try, in this turn or another one.
  response_.Clear();
  FlightReport report = Work();
  // The id was free: nothing that was tried before has been committed.
  if (!report.results.empty()) turn_.cost().commit_is_unknown = false;
  if (report.failure.has_value()) return EndOfWork(*report.failure);

  const std::string place(report.results[kClaim].Text(0, 0));
  const auto first = report.results.begin() + static_cast<int>(first_statement());
  report.results.erase(first + static_cast<int>(plan_.statements.size()), report.results.end());
  report.results.erase(report.results.begin(), first);
  const absl::Status encoded = encode_(report);
  if (encoded.ok()) return Commit(place);
  turn_.Undo();
  return TurnEnd{WithOutcome(encoded, v1::OUTCOME_ROLLED_BACK)};
}

FlightReport Once::Work() {
  const std::string claim = Ledger::Claim(*plan_.request_id);
  const std::string patience = Patience(turn_.time().work_until - absl::Now());
  Flight flight;
  flight.bracket = postgres::Bracket::kOpens;
  flight.isolation = plan_.isolation;
  flight.deferrable = plan_.deferrable;
  flight.answer_bytes_max = plan_.answer_bytes_max;
  // The ledger is the gateway's: the role comes behind it.
  flight.statements = {claim, patience};
  if (!plan_.identity.empty()) flight.statements.push_back(plan_.identity);
  for (const PlannedStatement& statement : plan_.statements) flight.statements.push_back(statement.bound.text);
  flight.statements.push_back(kNothingDeferred);
  FlightReport report = turn_.Fly(flight);
  if (report.round_trips > 0) RecordUse(plan_, {0, plan_.statements.size()}, &turn_);
  return report;
}

Once::End Once::Commit(absl::string_view place) {
  const std::string keep = Ledger::Keep(*plan_.request_id, place, response_.SerializeAsString());
  Flight flight;
  flight.bracket = postgres::Bracket::kContinues;
  flight.statements = {kNobody, keep, "COMMIT"};
  const FlightReport report = turn_.Fly(flight);
  if (report.failure.has_value()) return EndOfCommit(*report.failure);
  ledger_.OnAdded(turn_.line());
  return TurnEnd{absl::OkStatus()};
}

Once::End Once::EndOfWork(const FlightFailure& failure) {
  const SessionState session = turn_.session();
  const bool of_claim = session == SessionState::kInTransaction && failure.statement == kClaim;
  if (of_claim && failure.error.sqlstate == "23505") {
    turn_.Undo();
    return Repeat();
  }
  // Somebody may have the id: who waited for it, or is not let at it, does not know.
  if (of_claim && !IsClosed(failure)) turn_.cost().commit_is_unknown = true;
  // Idle: a syntax error, before anything has run.
  const bool is_judged = session == SessionState::kIdle && failure.is_verdict;
  if (session == SessionState::kInTransaction || is_judged) return RolledBack(failure, StatusOfWork(failure, of_claim));
  if (failure.outcome == v1::OUTCOME_NOT_STARTED) {
    const bool again = MayRerun(failure, /*looks_read_only=*/false) == Rerun::kNotStarted;
    return TurnEnd{ToStatus(failure, plan_, Nothing(), turn_), again};
  }
  return ConnectionLost(failure);
}

Once::End Once::EndOfCommit(const FlightFailure& failure) {
  constexpr size_t kKeep = 1;
  const absl::Status status =
      failure.statement == kKeep ? StatusOfLedger(failure) : ToStatus(failure, plan_, Nothing(), turn_);
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
  // Somebody has committed under this id.
  turn_.cost().commit_is_unknown = true;
  const std::string find = ledger_.Find(*plan_.request_id);
  const FlightReport report = Look(find);
  if (report.failure.has_value()) return EndOfLook(*report.failure);
  // It has gone meanwhile. (Not again and again: until the deadline.)
  if (report.results[0].row_count() == 0) return std::nullopt;
  const Ledger::Entry entry = Ledger::Read(report.results[0]);
  if (entry.is_old) {
    const std::string forget = ledger_.Forget(*plan_.request_id);
    const FlightReport forgotten = Look(forget);
    return forgotten.failure.has_value() ? EndOfLook(*forgotten.failure) : std::nullopt;
  }
  if (!entry.is_same) return TurnEnd{errors::RequestIdReused(plan_.request_id->id)};
  if (!entry.has_answer) return TurnEnd{errors::AnswerNotKept(entry.answer_bytes, Ledger::kAnswerBytesMax)};
  if (!response_.ParseFromString(entry.answer)) {
    return TurnEnd{errors::Bug("an answer in the ledger can not be read", v1::OUTCOME_COMMITTED)};
  }
  turn_.cost().is_repeated = true;
  return TurnEnd{absl::OkStatus()};
}

FlightReport Once::Look(absl::string_view statement) {
  Flight flight;
  flight.isolation = postgres::Isolation::kReadCommitted;
  flight.statements = {statement};
  return turn_.Fly(flight);
}

Once::End Once::EndOfLook(const FlightFailure& failure) {
  if (IsByTheCall(failure) || failure.is_verdict) return TurnEnd{Told(StatusOfLedger(failure))};
  return TurnEnd{errors::OutcomeUnknown(failure.error.message, /*is_kept=*/true), MayTryAgain()};
}

// The transaction is still open, or was ended by what PostgreSQL says.
Once::End Once::RolledBack(const FlightFailure& failure, const absl::Status& status) {
  turn_.Undo();
  if (MayRerun(failure, /*looks_read_only=*/false) == Rerun::kConflict && MayTryAgain()) {
    PauseForAnother(failure, &turn_);
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
  return turn_.cost().commit_is_unknown ? PerhapsDoneBefore(status) : status;
}

// Of a statement about the ledger.
absl::Status Once::StatusOfLedger(const FlightFailure& failure) const {
  const std::string& sqlstate = failure.error.sqlstate;
  // Keep divides by the number of entries that it found.
  if (failure.is_verdict && sqlstate == "22012") {
    return errors::LedgerUnavailable("the call has changed its own entry", sqlstate);
  }
  if (IsClosed(failure)) ledger_.Doubt();
  if (IsClosed(failure) || sqlstate == "42501") return errors::LedgerUnavailable(failure.error.message, sqlstate);
  return ToStatus(failure, plan_, Nothing(), turn_);
}

absl::Status Once::StatusOfWork(const FlightFailure& failure, bool of_claim) const {
  if (of_claim) return StatusOfLedger(failure);
  const bool of_identity = !plan_.identity.empty() && failure.statement == kIdentity;
  if (of_identity && failure.is_verdict) {
    return errors::IdentityRefused(plan_.role, failure.error.message, failure.error.sqlstate);
  }
  // What was deferred is no statement's, nor is a syntax error without a place.
  const size_t first = first_statement();
  if (failure.statement < first || failure.statement - first >= plan_.statements.size()) {
    return ToStatus(failure, plan_, Nothing(), turn_);
  }
  const size_t index = failure.statement - first;
  return NameStatement(plan_, index, ToStatus(failure, plan_, plan_.statements[index], turn_));
}

}  // namespace sluice::query
