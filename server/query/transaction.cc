#include "server/query/transaction.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/error.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/query/answer.h"
#include "server/query/leg.h"
#include "server/query/outcome.h"
#include "server/query/rpc_status.h"
#include "server/sql/name.h"

namespace sluice::query {
namespace {

using postgres::Flight;
using postgres::FlightFailure;
using postgres::FlightReport;
using postgres::SessionState;
using State = v1::TransactResponse::State;

constexpr absl::Duration kIdleTimeout = absl::Seconds(5), kIdleTimeoutMax = absl::Minutes(1);
constexpr absl::Duration kLifetime = absl::Seconds(60), kLifetimeMax = absl::Hours(1);

absl::StatusOr<absl::Duration> Limit(const google::protobuf::Duration& asked, bool is_set, absl::string_view field,
                                     absl::Duration otherwise, absl::Duration max) {
  if (!is_set) return otherwise;
  const absl::Duration limit = absl::Seconds(asked.seconds()) + absl::Nanoseconds(asked.nanos());
  if (limit > absl::ZeroDuration() && limit <= max) return limit;
  return errors::InvalidField(field, absl::StrCat("must be positive, and at most ", absl::FormatDuration(max)));
}

}  // namespace

absl::StatusOr<Transaction> Transaction::Begin(const v1::TransactRequest::Begin& begin, const auth::Caller& caller,
                                               const Limits& limits, sql::StatementBook* book) {
  ASSIGN_OR_RETURN(Plan frame, PlanTransaction(begin, caller, limits));
  Transaction transaction(std::move(frame), caller, limits, book);
  ASSIGN_OR_RETURN(transaction.idle_timeout_, Limit(begin.idle_timeout(), begin.has_idle_timeout(),
                                                    "begin.idle_timeout", kIdleTimeout, kIdleTimeoutMax));
  ASSIGN_OR_RETURN(transaction.lifetime_max_, Limit(begin.max_lifetime(), begin.has_max_lifetime(),
                                                    "begin.max_lifetime", kLifetime, kLifetimeMax));
  return transaction;
}

TurnEnd Transaction::Converse(TypeCatalog* types, Turn* turn, Conversation* talk) {
  if (ends_at_ == absl::InfiniteFuture()) ends_at_ = absl::Now() + lifetime_max_;
  for (;;) {
    if (!has_step_) {
      if (std::optional<TurnEnd> end = AwaitStep(turn, talk)) return *end;
    }
    StepEnd step = Take(types, turn);
    if (step.end.has_value() && step.end->again) return *step.end;
    has_step_ = false;
    step.response.set_sequence(step_.sequence());
    step.response.set_state(state_);
    if (is_over()) {
      *step.response.mutable_info() = InfoOf(turn->cost());
      talk->WriteLast(step.response);
      if (step.end.has_value()) return *step.end;
      AnswerTheRest(talk);
      return {absl::OkStatus()};
    }
    switch (talk->Write(step.response, std::min(ends_at_, turn->time().work_until))) {
      case MessageStream::Written::kYes: break;
      case MessageStream::Written::kClientGone: return GiveUp(turn->WhyEnded(v1::OUTCOME_ROLLED_BACK), turn);
      case MessageStream::Written::kClientStalled: return GiveUp(errors::ReaderStalled(v1::OUTCOME_ROLLED_BACK), turn);
      case MessageStream::Written::kOutOfTime: return GiveUp(OutOfTime(*turn), turn);
    }
  }
}

std::optional<TurnEnd> Transaction::AwaitStep(Turn* turn, Conversation* talk) {
  const absl::Time now = absl::Now();
  const absl::Time until = std::min({now + idle_timeout_, ends_at_, turn->time().work_until});
  const absl::StatusOr<Conversation::Heard> heard = talk->Read(&step_, until);
  if (!heard.ok()) return GiveUp(WithOutcome(heard.status(), v1::OUTCOME_ROLLED_BACK), turn);
  switch (*heard) {
    case Conversation::Heard::kMessage: has_step_ = true; return std::nullopt;
    case Conversation::Heard::kEnd: return GiveUp(absl::OkStatus(), turn);
    case Conversation::Heard::kClientGone: return GiveUp(turn->WhyEnded(v1::OUTCOME_ROLLED_BACK), turn);
    case Conversation::Heard::kNothing: break;
  }
  const bool is_idle = until < ends_at_ && until < turn->time().work_until;
  return GiveUp(is_idle ? errors::TransactionIdle(idle_timeout_) : OutOfTime(*turn), turn);
}

absl::Status Transaction::OutOfTime(const Turn& turn) const {
  return ends_at_ <= turn.time().work_until ? errors::TransactionTooLong(lifetime_max_)
                                            : errors::DeadlineExceeded(v1::OUTCOME_ROLLED_BACK, turn.limit());
}

// The stream ends with `status`, and the transaction with it.
TurnEnd Transaction::GiveUp(const absl::Status& status, Turn* turn) const {
  turn->Undo();
  const bool ends_for_the_gateway = !status.ok() && turn->ended_by() == CancelToken::EndedBy::kGateway;
  return {ends_for_the_gateway ? errors::Draining(v1::OUTCOME_ROLLED_BACK) : status};
}

Transaction::StepEnd Transaction::Refused(const absl::Status& status) const {
  StepEnd step;
  *step.response.mutable_error() = ToRpcStatus(status);
  return step;
}

Transaction::StepEnd Transaction::Take(TypeCatalog* types, Turn* turn) {
  using Step = v1::TransactRequest;
  const Step::StepCase kind = step_.step_case();
  const bool mends =
      kind == Step::kRollback || kind == Step::kRollbackTo || kind == Step::kBegin || kind == Step::STEP_NOT_SET;
  if (state_ == v1::TransactResponse::FAILED && !mends) return Refused(errors::TransactionFailed());
  if (step_.then_commit() && kind != Step::kStatement && kind != Step::kBatch) {
    return Refused(errors::InvalidField("then_commit", "goes with a statement or a batch"));
  }
  switch (kind) {
    case Step::kStatement: return Run({&step_.statement()}, types, turn);
    case Step::kBatch: {
      std::vector<const v1::Statement*> statements;
      for (const v1::Statement& statement : step_.batch().statements()) statements.push_back(&statement);
      return Run(statements, types, turn);
    }
    case Step::kSavepoint:
    case Step::kRelease:
    case Step::kRollbackTo: {
      const v1::TransactRequest::Savepoint& point = kind == Step::kSavepoint ? step_.savepoint()
                                                    : kind == Step::kRelease ? step_.release()
                                                                             : step_.rollback_to();
      if (const absl::Status named = sql::CheckName(point.name(), "savepoint.name"); !named.ok()) return Refused(named);
      const char* what = kind == Step::kSavepoint ? "SAVEPOINT " : kind == Step::kRelease ? "RELEASE " : "ROLLBACK TO ";
      return RunOwn(absl::StrCat(what, sql::QuotedName(point.name())), v1::TransactResponse::OPEN, turn);
    }
    case Step::kCommit: return RunOwn("COMMIT", v1::TransactResponse::COMMITTED, turn);
    case Step::kRollback: return RunOwn("ROLLBACK", v1::TransactResponse::ROLLED_BACK, turn);
    case Step::kBegin: return Refused(errors::InvalidField("begin", "a transaction begins once"));
    case Step::STEP_NOT_SET: break;
  }
  return Refused(errors::InvalidField("step", "none is set"));
}

FlightReport Transaction::Fly(const std::vector<absl::string_view>& statements, Turn* turn) {
  Flight flight;
  flight.bracket = begun_ ? postgres::Bracket::kContinues : postgres::Bracket::kOpens;
  flight.identity = frame_.identity;
  flight.isolation = frame_.isolation;
  flight.read_only = frame_.read_only;
  flight.deferrable = frame_.deferrable;
  flight.answer_bytes_max = frame_.answer_bytes_max;
  flight.statements = statements;
  // A failed transaction takes nothing but its end, so no time limit either.
  flight.alone = state_ == v1::TransactResponse::FAILED && begun_;
  return turn->Fly(flight, ends_at_);
}

Transaction::StepEnd Transaction::Run(absl::Span<const v1::Statement* const> statements, TypeCatalog* types,
                                      Turn* turn) {
  const bool is_batch = step_.step_case() == v1::TransactRequest::kBatch;
  const absl::StatusOr<Plan> plan = PlanStep(frame_, statements, is_batch, caller_, limits_, book_);
  if (!plan.ok()) return Refused(plan.status());
  const Leg all = {0, plan->statements.size()};
  if (const absl::Status strings = CheckStrings(*plan, all, *turn); !strings.ok()) return Refused(strings);

  std::vector<absl::string_view> texts;
  for (const PlannedStatement& statement : plan->statements) texts.push_back(statement.bound.text);
  if (step_.then_commit()) texts.push_back("COMMIT");
  const FlightReport report = Fly(texts, turn);
  if (report.round_trips > 0) RecordUse(*plan, all, turn);
  if (report.failure.has_value()) return EndOfFailure(*plan, *report.failure, step_.then_commit(), turn);

  begun_ = true;
  state_ = step_.then_commit() ? v1::TransactResponse::COMMITTED : v1::TransactResponse::OPEN;
  turn->cost().is_committed = state_ == v1::TransactResponse::COMMITTED;
  StepEnd step;
  const absl::Status encoded = Encode(*plan, report, types, turn, &step.response);
  if (encoded.ok()) return step;
  // It is done, and only its answer is missing; but that it is not committed yet.
  return Refused(is_over() ? encoded : WithOutcome(encoded, v1::OUTCOME_UNKNOWN));
}

absl::Status Transaction::Encode(const Plan& plan, const FlightReport& report, TypeCatalog* types, Turn* turn,
                                 v1::TransactResponse* response) const {
  int64_t rows = 0;
  v1::ResultSet* last = nullptr;
  for (size_t i = 0; i < plan.statements.size(); ++i) {
    last = plan.is_batch ? response->mutable_batch()->add_results() : response->mutable_result();
    RETURN_IF_ERROR(EncodeResult(plan, report.results[i], types, turn, last));
    rows += report.results[i].row_count();
  }
  AddNotices(report, last->mutable_notices());
  return ReplyRoom(plan, 0).Take(response->ByteSizeLong(), rows);
}

// A statement of the gateway's own, after which the transaction stands so.
Transaction::StepEnd Transaction::RunOwn(std::string statement, State state, Turn* turn) {
  const bool ends = state != v1::TransactResponse::OPEN;
  if (ends && !begun_) {
    // Nothing was done, so there is nothing to end.
    state_ = state;
  } else {
    const FlightReport report = Fly({statement}, turn);
    if (report.failure.has_value()) {
      return EndOfFailure(frame_, *report.failure, state == v1::TransactResponse::COMMITTED, turn);
    }
    begun_ = true;
    state_ = state;
  }
  turn->cost().is_committed = state_ == v1::TransactResponse::COMMITTED;
  StepEnd step;
  step.response.mutable_done();
  return step;
}

// `commits`: the flight's last statement was COMMIT.
Transaction::StepEnd Transaction::EndOfFailure(const Plan& plan, const FlightFailure& failure, bool commits,
                                               Turn* turn) {
  const bool is_own = failure.statement >= plan.statements.size();
  static const PlannedStatement& nothing = *new PlannedStatement();
  const PlannedStatement& statement = is_own ? nothing : plan.statements[failure.statement];
  absl::Status status = ToStatus(failure, plan, statement, *turn);
  if (!is_own) status = NameStatement(plan, failure.statement, status);

  const SessionState session = turn->session();
  if (session == SessionState::kInTransaction) {
    // What it did is undone, and the transaction waits for a rollback.
    begun_ = true;
    state_ = v1::TransactResponse::FAILED;
    // A little early, since statement_timeout is in whole milliseconds.
    if (absl::Now() >= ends_at_ - absl::Milliseconds(2)) {
      StepEnd late = Refused(errors::TransactionTooLong(lifetime_max_));
      late.end = GiveUp(errors::TransactionTooLong(lifetime_max_), turn);
      state_ = v1::TransactResponse::ROLLED_BACK;
      return late;
    }
    return Refused(WithOutcome(status, v1::OUTCOME_ROLLED_BACK));
  }
  if (!begun_ && MayRerun(failure, /*looks_read_only=*/false) == Rerun::kNotStarted) {
    StepEnd again;
    again.end = TurnEnd{status, /*again=*/true};
    return again;
  }
  if (!begun_ && failure.outcome == v1::OUTCOME_NOT_STARTED) {
    state_ = v1::TransactResponse::ROLLED_BACK;
    StepEnd refused = Refused(status);
    refused.end = TurnEnd{status};
    return refused;
  }
  if (session == SessionState::kIdle && failure.is_verdict) {
    // A syntax error, before BEGIN has run; or a constraint that was looked at by COMMIT.
    state_ = begun_ || is_own ? v1::TransactResponse::ROLLED_BACK : v1::TransactResponse::FAILED;
    return Refused(WithOutcome(status, v1::OUTCOME_ROLLED_BACK));
  }
  // The connection is lost, and with it the transaction; unless it was being committed.
  const bool is_unknown = commits && failure.outcome == v1::OUTCOME_UNKNOWN && !failure.is_verdict;
  state_ = is_unknown ? v1::TransactResponse::OUTCOME_UNKNOWN : v1::TransactResponse::ROLLED_BACK;
  const absl::Status lost = is_unknown ? status : errors::TransactionLost(failure.error.message);
  const bool by_the_call =
      failure.cut_short == postgres::CutShort::kByCaller || failure.cut_short == postgres::CutShort::kByDeadline;
  const absl::Status end = by_the_call && !is_unknown ? WithOutcome(status, v1::OUTCOME_ROLLED_BACK) : lost;
  StepEnd step = Refused(end);
  step.end = TurnEnd{end};
  return step;
}

// Requests that were sent before the end was known.
void Transaction::AnswerTheRest(Conversation* talk) const {
  // As many as a client may send ahead, and then some.
  constexpr int kAnswersMax = 1000;
  v1::TransactRequest late;
  for (int i = 0; i < kAnswersMax; ++i) {
    const absl::StatusOr<Conversation::Heard> heard = talk->Read(&late, absl::InfinitePast());
    if (!heard.ok() || *heard != Conversation::Heard::kMessage) return;
    v1::TransactResponse response;
    response.set_sequence(late.sequence());
    *response.mutable_error() = ToRpcStatus(errors::TransactionOver());
    response.set_state(state_);
    talk->WriteLast(response);
  }
}

}  // namespace sluice::query
