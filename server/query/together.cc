#include "server/query/together.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/query/answer.h"
#include "server/query/leg.h"
#include "server/query/outcome.h"
#include "server/query/seats.h"

namespace sluice::query {
namespace {

using postgres::CutShort;
using postgres::Flight;
using postgres::FlightFailure;
using postgres::FlightReport;

// Each of them usually takes a few milliseconds. One that takes so long waits for a lock, or has become
// slow: it is ended, and nobody waits for it any longer, since each then flies alone.
constexpr absl::Duration kPatience = absl::Milliseconds(500);

// All of them together. (One that is cut short so is none of somebody's deadline.)
constexpr absl::Duration kPatienceInAll = absl::Seconds(2);

// What those who ask for the same get copies of, at most. Who comes too late for one asks once more.
constexpr size_t kCopiedBytesMax = 32 << 20;

absl::Status NotRunYet() {
  return errors::BackendUnreachable("another statement of the flight failed first", absl::ZeroDuration());
}

// Of what ran, and was rolled back with its flight.
absl::Status TakenBack(const Turn& turn) {
  const bool draining = turn.ended_by() == CancelToken::EndedBy::kGateway;
  return draining ? errors::Draining(v1::OUTCOME_ROLLED_BACK) : errors::FlightRolledBack();
}

void EndWithStatus(const Seat& seat, const absl::Status& status) {
  for (Companion* companion : seat.companions) companion->end = {status, /*again=*/false};
}

// Another turn; `status` is what it says if it can not have one.
void EndAgain(const Seat& seat, const absl::Status& status, bool alone) {
  for (Companion* companion : seat.companions) {
    companion->end = {status, /*again=*/true};
    companion->cost->flies_alone |= alone;
  }
}

sql::StatementCost& CostOf(const Seat& seat) { return seat.plan().statements[0].bound.known->cost; }

// Two groups of writes take their locks in one order, at least where they are alike, so that they
// do not wait for each other.
void SortByText(std::vector<Seat>* seats) {
  std::stable_sort(seats->begin(), seats->end(), [](const Seat& one, const Seat& other) {
    return one.plan().statements[0].bound.text < other.plan().statements[0].bound.text;
  });
}

// Into the response of the first of those who share it.
absl::Status EncodeInto(const Seat& seat, const postgres::Result& result, TypeCatalog* types, Turn* turn) {
  v1::ExecuteResponse* response = seat.companions[0]->response;
  RETURN_IF_ERROR(EncodeResult(seat.plan(), result, types, turn, response->mutable_result()));
  return ReplyRoom(seat.plan(), 0).Take(response->ByteSizeLong(), result.row_count());
}

// `status`: of its encoding.
void EndWithResult(const Seat& seat, const absl::Status& status) {
  const v1::ResultSet& result = seat.companions[0]->response->result();
  const size_t bytes = seat.companions.size() > 1 ? result.ByteSizeLong() : 0;
  size_t copied = 0;
  for (Companion* companion : seat.companions) {
    const bool merged = companion != seat.companions[0];
    if (merged && status.ok()) copied += bytes;
    if (copied > kCopiedBytesMax) {
      EndAgain({{companion}}, NotRunYet(), /*alone=*/false);
      continue;
    }
    companion->end = {status, /*again=*/false};
    if (!status.ok()) continue;
    if (merged) *companion->response->mutable_result() = result;
    companion->cost->is_merged = merged;
    *companion->response->mutable_info() = InfoOf(*companion->cost);
  }
}

// The statement that a flight broke off at.
void EndAtFailure(const Seat& seat, const FlightFailure& failure, const Turn& turn) {
  const PlannedStatement& statement = seat.plan().statements[0];
  const absl::Status status = ToStatus(failure, seat.plan(), statement, turn);
  const bool has_verdict = failure.is_verdict && failure.cut_short == CutShort::kNo;
  // Kept from writing, or ended for another one's sake.
  const bool needs_its_own = failure.error.sqlstate == "25006" || failure.error.sqlstate == "57014" ||
                             MayRerun(failure, /*looks_read_only=*/true) == Rerun::kConflict;
  if (has_verdict && !needs_its_own) return EndWithStatus(seat, status);
  // What it says if it has no other turn is not that: nobody asked for READ ONLY, nor was its time up.
  EndAgain(seat, TakenBack(turn), /*alone=*/true);
}

// What one of a group hears whose commit is in doubt. That the time was up is said to whom it belonged.
absl::Status InDoubt(const FlightFailure& failure, const Companion& companion, const Turn& turn) {
  if (failure.cut_short == CutShort::kNo || failure.cut_short == CutShort::kByCaller) {
    return ToStatus(failure, *companion.plan, PlannedStatement(), turn);
  }
  const absl::Time deadline = companion.time.work_until;
  if (failure.cut_short == CutShort::kByDeadline && deadline <= absl::Now()) {
    return errors::DeadlineExceeded(failure.outcome, deadline - companion.cost->arrived_at);
  }
  return errors::OutcomeUnknown("a flight that it shared was cut short, and how it ended is not known");
}

// A group of writes that was not committed: nothing of it was done, so each is done by itself and
// has its own result or error; or it is not known, of none.
void EndUncommitted(const std::vector<Seat>& seats, const FlightFailure& failure, const Turn& turn) {
  for (size_t i = 0; i < seats.size(); ++i) {
    if (failure.outcome == v1::OUTCOME_UNKNOWN) {
      EndWithStatus(seats[i], InDoubt(failure, *seats[i].companions[0], turn));
    } else {
      const bool ran = failure.outcome == v1::OUTCOME_ROLLED_BACK && i <= failure.statement;
      EndAgain(seats[i], ran ? TakenBack(turn) : NotRunYet(), /*alone=*/failure.is_verdict || failure.will_not_pass);
    }
  }
}

// The reads behind those that have their result.
void EndUnanswered(const std::vector<Seat>& seats, size_t answered, const FlightFailure& failure, const Turn& turn) {
  if (failure.outcome == v1::OUTCOME_NOT_STARTED || !failure.is_verdict) {
    // Nothing of it ran, or the way back broke: all of them read again, alone. (A limit that was the
    // flight's is none of theirs.)
    const bool may_have_run = failure.outcome != v1::OUTCOME_NOT_STARTED;
    const absl::Status status = may_have_run ? errors::ReadInterrupted("the flight that it shared was cut short")
                                             : ToStatus(failure, seats[0].plan(), PlannedStatement(), turn);
    for (size_t i = answered; i < seats.size(); ++i) EndAgain(seats[i], status, may_have_run || failure.will_not_pass);
    return;
  }
  // A syntax error comes before any result, at whichever statement has it.
  const size_t failed = std::min(std::max(failure.statement, answered), seats.size() - 1);
  for (size_t i = answered; i < seats.size(); ++i) {
    if (i == failed) {
      EndAtFailure(seats[i], failure, turn);
    } else {
      EndAgain(seats[i], NotRunYet(), /*alone=*/false);
    }
  }
}

// Of those who share a seat; null if none is sampled.
const observe::CallTrace* FirstTrace(const Seat& seat) {
  for (const Companion* companion : seat.companions) {
    if (companion->cost->trace != nullptr) return companion->cost->trace;
  }
  return nullptr;
}

Flight FlightFor(const std::vector<Seat>& seats, bool writes) {
  Flight flight;
  flight.identity = seats[0].plan().identity;
  flight.read_only = !writes;
  flight.answer_bytes_max = seats[0].plan().answer_bytes_max;
  flight.statement_time_max = kPatience;
  for (const Seat& seat : seats) flight.statements.push_back(seat.plan().statements[0].bound.text);
  if (!absl::c_any_of(seats, FirstTrace)) return flight;
  for (const Seat& seat : seats) {
    const observe::CallTrace* const trace = FirstTrace(seat);
    flight.comments.push_back(trace == nullptr ? absl::string_view() : trace->comment());
  }
  return flight;
}

// The first one's to end, or all that anybody's patience has.
TimeBudget TimeFor(const std::vector<Companion>& companions) {
  TimeBudget time = TimeBudget::Of(absl::Now(), kPatienceInAll);
  for (const Companion& companion : companions) {
    time.work_until = std::min(time.work_until, companion.time.work_until);
    time.answer_by = std::min(time.answer_by, companion.time.answer_by);
  }
  return time;
}

void RecordCosts(const std::vector<Seat>& seats, absl::Duration took) {
  std::vector<sql::StatementCost*> costs;
  std::vector<sql::KnownStatement*> statements;
  for (const Seat& seat : seats) {
    costs.push_back(&CostOf(seat));
    statements.push_back(seat.plan().statements[0].bound.known.get());
  }
  sql::RecordTogether(costs, took);
  sql::RecordUse(statements, took);
}

// Of a flight that failed: one that wore out the patience is not quick any more.
void RecordFailure(const std::vector<Seat>& seats, const FlightFailure& failure) {
  const bool took_too_long = failure.time_limit > absl::ZeroDuration() && failure.statement < seats.size();
  if (took_too_long) CostOf(seats[failure.statement]).Record(failure.time_limit);
}

// The flight is nobody's in particular: a cancel of one of them does not end it, but a drain does.
class SharedToken {
 public:
  explicit SharedToken(const std::vector<Companion>& companions) : companions_(companions) {
    for (const Companion& companion : companions_) companion.token->TakePart(&token_);
  }
  ~SharedToken() {
    for (const Companion& companion : companions_) companion.token->TakePart(nullptr);
  }
  SharedToken(const SharedToken&) = delete;
  SharedToken& operator=(const SharedToken&) = delete;

  CancelToken* get() { return &token_; }

 private:
  const std::vector<Companion>& companions_;
  CancelToken token_;
};

// Each sampled call has the flight that it shared among its spans, with its own statement.
void Trace(const std::vector<Seat>& seats, const FlightReport& report, absl::Time begin) {
  const absl::Time end = absl::Now();
  for (size_t i = 0; i < seats.size(); ++i) {
    for (Companion* companion : seats[i].companions) {
      if (companion->cost->trace == nullptr || report.round_trips == 0) continue;
      observe::Span flight;
      flight.name = "flight";
      flight.begin = begin;
      flight.end = end;
      flight.attributes = {{"db.system.name", "postgresql"}, {"db.operation.batch.size", "1"}};
      flight.attributes.emplace_back("sluice.shared_by", absl::StrCat(seats.size()));
      flight.parts.push_back(SpanOfStatement(seats[i].plan().statements[0].bound.text, report, i, begin, end));
      companion->cost->trace->Add(std::move(flight));
    }
  }
}

void Charge(const CallCost& flight, const std::vector<Seat>& seats) {
  size_t calls = 0;
  for (const Seat& seat : seats) calls += seat.companions.size();
  for (const Seat& seat : seats) {
    for (Companion* companion : seat.companions) {
      CallCost& cost = *companion->cost;
      ++cost.attempts;
      cost.database_time += flight.database_time;
      cost.round_trips += flight.round_trips;
      cost.backend_pid = flight.backend_pid;
      cost.flight_statements = static_cast<int>(calls);
    }
  }
}

// Whoever has no result.
void EndUnfinished(const std::vector<Seat>& seats, size_t answered, const FlightFailure& failure, const Turn& turn) {
  if (failure.of_identity && failure.is_verdict) {
    // The identity that all of them have is refused.
    for (const Seat& seat : seats) EndWithStatus(seat, ToStatus(failure, seat.plan(), PlannedStatement(), turn));
  } else if (seats[0].plan().sharing == Sharing::kWrites) {
    EndUncommitted(seats, failure, turn);
  } else {
    EndUnanswered(seats, answered, failure, turn);
  }
}

}  // namespace

void FlyTogether(std::vector<Companion>* companions, TypeCatalog* types, postgres::Connection* connection,
                 admission::Line* line) {
  Seating seating = TakeSeats(companions);
  for (Companion* companion : seating.left) EndAgain({{companion}}, NotRunYet(), /*alone=*/false);
  for (Companion* companion : seating.strangers) EndAgain({{companion}}, NotRunYet(), /*alone=*/true);
  std::vector<Seat>& seats = seating.seats;
  if (seats.empty()) return;
  const bool writes = seats[0].plan().sharing == Sharing::kWrites;
  if (writes) SortByText(&seats);

  CallCost flight_cost;
  flight_cost.arrived_at = absl::Now();
  SharedToken token(*companions);
  Turn turn(connection, token.get(), TimeFor(*companions), &flight_cost, line);
  const FlightReport report = turn.Fly(FlightFor(seats, writes));
  const std::optional<FlightFailure>& failure = report.failure;
  Trace(seats, report, flight_cost.arrived_at);
  failure.has_value() ? RecordFailure(seats, *failure) : RecordCosts(seats, turn.server_time());

  // Of writes none is answered before the commit. A type that is not known yet takes another flight: so all
  // are encoded before it is told what they cost.
  const size_t answered = writes && failure.has_value() ? 0 : std::min(report.results.size(), seats.size());
  std::vector<absl::Status> encoded;
  for (size_t i = 0; i < answered; ++i) encoded.push_back(EncodeInto(seats[i], report.results[i], types, &turn));
  Charge(flight_cost, seats);

  for (size_t i = 0; i < answered; ++i) EndWithResult(seats[i], encoded[i]);
  if (failure.has_value()) EndUnfinished(seats, answered, *failure, turn);
}

}  // namespace sluice::query
