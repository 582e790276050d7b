#include "server/postgres/connection.h"

#include <libpq-fe.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/postgres/reception.h"
#include "server/postgres/transmission.h"

namespace sluice::postgres {
namespace {

constexpr size_t kNoticesMax = 100;

void ReceiveNotice(void* inbox, const PGresult* notice) {
  auto& notices = *static_cast<NoticeInbox*>(inbox);
  ++notices.received;
  ServerError said = ReadServerError(notice);
  if (EndsSession(said)) notices.last_words = said;
  if (notices.kept != nullptr && notices.kept->size() < kNoticesMax) notices.kept->push_back(std::move(said));
}

Outcome OutcomeOf(Fate fate, bool may_commit_midway) {
  switch (fate) {
    case Fate::kNotRun:
    case Fate::kMisconfigured:
    case Fate::kBadCredentials: return v1::OUTCOME_NOT_STARTED;
    case Fate::kFailed: return may_commit_midway ? v1::OUTCOME_UNKNOWN : v1::OUTCOME_ROLLED_BACK;
    case Fate::kUnknown: break;
  }
  return v1::OUTCOME_UNKNOWN;
}

// In SJIS or GBK a quote can be the second byte of a character: nothing may be bound there.
bool SpeaksUtf8(PGconn* connection) {
  static const int utf8 = pg_char_to_encoding("UTF8");
  return PQclientEncoding(connection) == utf8;
}

}  // namespace

Connection::Connection(std::unique_ptr<Session> session, const Options& options, JitPolicy* jit, Canceller* canceller)
    : cancel_wait_(options.cancel_wait),
      jit_(jit),
      canceller_(canceller),
      observer_(options.observer),
      opened_at_(absl::Now()),
      round_trip_(options.round_trip == nullptr ? &own_round_trip_ : options.round_trip),
      session_(std::move(session)) {
  PQsetNoticeReceiver(session_->handle(), ReceiveNotice, &notices_);
}

Connection::~Connection() {
  if (unfinished_) canceller_->FinishOff(std::move(session_));
}

std::unique_ptr<Connection> Connection::Open(const Options& options, JitPolicy* jit, Canceller* canceller,
                                             OpenFailure* failure) {
  const absl::Time deadline = absl::Now() + options.connect_timeout;
  ConnectionParameters parameters = options.parameters;
  const bool with_startup_option = jit->wants_startup_option();
  if (with_startup_option) parameters["options"] = "-c jit=off";
  Session::Failure session_failure;
  std::unique_ptr<Session> session = Session::Open(parameters, deadline, options.closing, &session_failure);
  if (session == nullptr) {
    if (with_startup_option && absl::StrContains(session_failure.error.message, "unsupported startup parameter")) {
      jit->OnStartupOptionRefused();
    }
    failure->error = session_failure.error;
    failure->fate = FateOfConnect(session_failure.error);
    return nullptr;
  }
  std::unique_ptr<Connection> connection(new Connection(std::move(session), options, jit, canceller));
  if (connection->Probe(deadline, failure)) return connection;
  // Meanwhile another connection was told that SET is refused (PgDog): once more, with the option.
  if (!with_startup_option && jit->wants_startup_option()) return Open(options, jit, canceller, failure);
  return nullptr;
}

// Asks the server about itself; false if it can not be used.
bool Connection::Probe(absl::Time deadline, OpenFailure* failure) {
  Flight flight;
  flight.statements = {QuestionAboutServer()};
  flight.alone = true;
  flight.time.work_until = deadline;
  const FlightReport report = Fly(flight);
  if (report.failure.has_value() || report.results.size() != 1 || report.results[0].row_count() != 1) {
    if (report.failure.has_value()) failure->error = report.failure->error;
    failure->fate = FateOfConnect(failure->error);
    return false;
  }
  facts_ = ReadServerFacts(report.results[0], session_->handle());

  failure->fate = Fate::kMisconfigured;
  if (!SpeaksUtf8(session_->handle())) {
    failure->error.message =
        absl::StrCat("client_encoding is ", ReportedSetting(session_->handle(), "client_encoding"), ", not UTF8");
    return false;
  }
  if (absl::Status off = jit_->Verify(facts_.jit); !off.ok()) {
    failure->error.message = std::string(off.message());
    return false;
  }
  if (jit_->may_set_beside_statements()) ComposePrelude();
  return true;
}

void Connection::ComposePrelude() {
  // Whoever a DO block, a function or another client of the pooler has left the session as.
  prelude_.SetLocal("role = DEFAULT");
  if (jit_->wants_prefix(facts_.jit)) prelude_.SetLocal("jit = off");
  // The forms in which values are read, where a role or database has others.
  if (!absl::StartsWith(facts_.date_style, "ISO")) prelude_.SetLocal("datestyle = 'ISO'");
  if (facts_.interval_style != "postgres") prelude_.SetLocal("intervalstyle = 'postgres'");
  // Floats that read back as the same bits; before PostgreSQL 12 this took 3.
  if (facts_.server_version_number < 120000) {
    prelude_.SetLocal("extra_float_digits = 3");
  } else if (facts_.extra_float_digits < 1) {
    prelude_.SetLocal("extra_float_digits = 1");
  }
  prelude_.time_limit_max = facts_.statement_timeout;
}

bool Connection::strings_conform() const {
  return ReportedSetting(session_->handle(), "standard_conforming_strings") != "off";
}

FlightReport Connection::Fly(const Flight& flight) {
  FlightReport report;
  observe::FlightEnded ended;
  const absl::Time begin = absl::Now();
  notices_.kept = &report.notices;
  report.failure = FlyInto(flight, &report, &ended);
  notices_.kept = nullptr;
  if (observer_ == nullptr || !sent_ || flight.is_proof) return report;
  ended.statements = static_cast<int>(flight.statements.size());
  ended.took = absl::Now() - begin;
  for (const Result& result : report.results) {
    ended.commands.push_back(result.command());
    ended.rows += result.row_count();
  }
  ended.failed = report.failure.has_value();
  if (ended.failed) ended.sqlstate = report.failure->error.sqlstate;
  observer_->Record(ended);
  return report;
}

// The failure, or nullopt if every statement completed.
std::optional<FlightFailure> Connection::FlyInto(const Flight& flight, FlightReport* report,
                                                 observe::FlightEnded* ended) {
  sent_ = answered_ = false;
  if (interrupt_.raised()) return NotStarted(CutShort::kByCaller);
  if (absl::Now() >= flight.time.work_until) return NotStarted(CutShort::kByDeadline);
  // What a quote is depends on the encoding; it may have changed with what came just now.
  const bool in_transaction = flight.bracket == Bracket::kContinues;
  if (lost_ || !IsAlive(session_->handle(), in_transaction, notices_.last_words) || !SpeaksUtf8(session_->handle())) {
    lost_ = true;
    return NotStarted(CutShort::kNo);
  }

  const absl::Time sent_at = absl::Now();
  const Message message = Compose(flight, prelude_, jit_->may_set_beside_statements(), sent_at);
  Reception::Limits limits;
  limits.deadline = flight.time.work_until;
  // statement_timeout ends a statement more cleanly than a cancel, but only one.
  const bool has_own_timeout = message.time_limit != absl::InfiniteDuration() && flight.statements.size() == 1;
  limits.cancel_at = flight.time.work_until + (has_own_timeout ? flight.time.cancel_room() : absl::ZeroDuration());
  limits.answer_by = flight.time.answer_by;
  limits.cancel_wait = cancel_wait_;
  limits.answer_bytes_max = flight.answer_bytes_max;

  report->round_trips = 1;
  sent_ = true;
  const absl::Time give_up = std::min(limits.cancel_at + cancel_wait_, limits.answer_by);
  const Sent sent = Send(session_->handle(), message.text, interrupt_, give_up);
  if (sent != Sent::kWhole) return FailureOfSending(sent);
  if (flight.streams.rows != nullptr) PQsetSingleRowMode(session_->handle());

  Reception reception(session_->handle(), &interrupt_, canceller_, limits, flight.streams, &notices_.received);
  reception.Read(message.prelude_statements, report);
  ended->bytes_sent = static_cast<int64_t>(message.text.size());
  ended->bytes_received = reception.bytes_received();
  ended->rows = reception.rows_streamed();
  using Cancel = observe::FlightEnded::Cancel;
  if (reception.cancel_refused()) ended->cancel = Cancel::kCanNot;
  if (reception.cancel_sent()) ended->cancel = Cancel::kSent;
  const absl::Duration took = absl::Now() - sent_at;
  copying_ = reception.copying();
  lost_ = reception.gave_up() || PQstatus(session_->handle()) != CONNECTION_OK;
  // Even if the statement ended by a cancel: another one's (statement_timeout, an operator)
  // may have been faster, and ours would hit the next call, or with a pooler anybody's.
  cancel_may_still_arrive_ |= reception.cancel_sent();
  unfinished_ = reception.gave_up() && reception.cancel_sent();

  const bool all_done = report->results.size() == flight.statements.size();
  // The tag of the last statement comes after the commit: what breaks behind it is not this
  // flight's. An ERROR would be, of a statement that we did not count.
  const bool broke_off = reception.error().has_value() && reception.error()->severity != "ERROR";
  if (all_done && (broke_off || !reception.error().has_value())) {
    answered_ = true;
    flight.is_proof ? round_trip_->OnProof(took) : round_trip_->OnFlight(took);
    if (!reception.has_left_out()) return std::nullopt;
    FlightFailure failure;
    failure.outcome = v1::OUTCOME_COMMITTED;
    failure.cut_short = reception.cut_short();
    failure.streams_were_used = true;
    return failure;
  }
  FlightFailure failure = FailureOfAnswer(reception, message, flight.may_commit_midway, sent_at);
  LocateError(message, report->results.size(), &failure);
  // The prelude's last statement is the identity. (A syntax error comes before anything has run, and
  // has a place in the statements.)
  failure.of_identity =
      !flight.identity.empty() && failure.position == 0 && reception.completed() + 1 == message.prelude_statements;
  failure.streams_were_used = reception.streams_were_used();
  answered_ = failure.is_verdict;
  return failure;
}

FlightFailure Connection::FailureOfSending(Sent sent) {
  lost_ = true;
  FlightFailure failure = NotStarted(interrupt_.raised() ? CutShort::kByCaller : CutShort::kNo);
  if (sent == Sent::kUnclear) {
    failure.outcome = v1::OUTCOME_UNKNOWN;
    if (failure.error.sqlstate.empty()) failure.error.message = "the connection broke while the statement was sent";
  }
  return failure;
}

FlightFailure Connection::FailureOfAnswer(const Reception& reception, const Message& message, bool may_commit_midway,
                                          absl::Time sent_at) {
  FlightFailure failure;
  failure.cut_short = reception.cut_short();
  if (reception.error().has_value()) {
    failure.error = *reception.error();
  } else {
    failure.error.message = reception.gave_up() ? "no answer came in time" : "the answer ended early";
  }
  Fate fate = FateOf(reception, message);
  if (fate == Fate::kNotRun && RefusesSetBesideStatements(failure.error)) fate = DoWithoutSets(message);
  failure.outcome = OutcomeOf(fate, may_commit_midway);
  failure.is_verdict = fate == Fate::kFailed;
  // However it ended: what PostgreSQL was not told to commit is not committed.
  if (reception.copy_in_has_no_end() && failure.outcome == v1::OUTCOME_UNKNOWN) {
    failure.outcome = v1::OUTCOME_ROLLED_BACK;
  }
  failure.will_not_pass = fate == Fate::kMisconfigured || fate == Fate::kBadCredentials;
  // By the time rather than by PostgreSQL's text, which may be in any language. A little early,
  // since statement_timeout is in whole milliseconds.
  const bool timed_out = absl::Now() >= sent_at + message.time_limit - absl::Milliseconds(2);
  if (failure.error.sqlstate == "57014" && timed_out) failure.time_limit = message.time_limit;
  return failure;
}

// What became of a message that was sent and did not come to its end.
Fate Connection::FateOf(const Reception& reception, const Message& message) const {
  // Without an error, too few results: PostgreSQL read the statements as fewer than we did.
  if (reception.gave_up() || copying_ || !reception.error().has_value()) return Fate::kUnknown;
  SentMessage sent;
  sent.connection_lost = lost_;
  sent.behind_pooler = facts_.behind_pooler;
  sent.has_prelude = message.prelude_statements > 0;
  sent.results_came = reception.completed() > 0;
  return FateOfSent(*reception.error(), sent);
}

// The pooler takes no SET beside a statement. The gateway's own travel as a startup option from
// now on, so this session is of no more use; what a call asked for (READ ONLY) can not be had.
Fate Connection::DoWithoutSets(const Message& message) {
  if (!message.has_own_sets) return Fate::kMisconfigured;
  jit_->OnSetRefused();
  jit_refused_ = true;
  return Fate::kNotRun;
}

FlightFailure Connection::NotStarted(CutShort cut_short) const {
  FlightFailure failure;
  failure.outcome = v1::OUTCOME_NOT_STARTED;
  failure.cut_short = cut_short;
  // The last words of the server came as a notice, since nobody had asked anything.
  if (notices_.last_words.has_value()) failure.error = *notices_.last_words;
  if (failure.error.message.empty()) failure.error.message = "the connection was lost before the statement was sent";
  return failure;
}

bool Connection::reads_differently() const {
  PGconn* handle = session_->handle();
  return !SpeaksUtf8(handle) || strings_conform() != facts_.standard_conforming_strings ||
         ReportedSetting(handle, "DateStyle") != facts_.date_style ||
         ReportedSetting(handle, "IntervalStyle") != facts_.interval_style;
}

SessionState Connection::state() const {
  if (lost_ || PQstatus(session_->handle()) != CONNECTION_OK) return SessionState::kLost;
  if (copying_) return SessionState::kCopying;
  switch (PQtransactionStatus(session_->handle())) {
    case PQTRANS_IDLE: return SessionState::kIdle;
    case PQTRANS_INTRANS:
    case PQTRANS_INERROR: return SessionState::kInTransaction;
    case PQTRANS_ACTIVE: return SessionState::kBusy;
    case PQTRANS_UNKNOWN: break;
  }
  return SessionState::kLost;
}

}  // namespace sluice::postgres
