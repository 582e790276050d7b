#include "server/postgres/connection.h"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/utf8.h"
#include "server/postgres/reception.h"

namespace sluice::postgres {
namespace {

// Room for statement_timeout to fire first: it ends a statement more cleanly than a cancel.
constexpr absl::Duration kStatementTimeoutRoom = absl::Milliseconds(250);

constexpr size_t kNoticesMax = 100;

void ReceiveNotice(void* notices_slot, const PGresult* notice) {
  auto* notices = *static_cast<std::vector<ServerError>**>(notices_slot);
  if (notices != nullptr && notices->size() < kNoticesMax) notices->push_back(ReadServerError(notice));
}

absl::string_view Parameter(PGconn* connection, const char* name) {
  const char* value = PQparameterStatus(connection, name);
  return value == nullptr ? "" : value;
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

std::string SetTransaction(const Flight& flight) {
  std::string modes;
  switch (flight.isolation) {
    case Isolation::kDefault: break;
    case Isolation::kReadCommitted: modes += ", ISOLATION LEVEL READ COMMITTED"; break;
    case Isolation::kRepeatableRead: modes += ", ISOLATION LEVEL REPEATABLE READ"; break;
    case Isolation::kSerializable: modes += ", ISOLATION LEVEL SERIALIZABLE"; break;
  }
  if (flight.read_only) modes += ", READ ONLY";
  if (flight.deferrable) modes += ", DEFERRABLE";
  return modes.empty() ? "" : absl::StrCat("SET TRANSACTION", modes.substr(1), ";");
}

}  // namespace

Connection::Connection(std::unique_ptr<Session> session, const Options& options, JitPolicy* jit, Canceller* canceller)
    : cancel_wait_(options.cancel_wait),
      jit_(jit),
      canceller_(canceller),
      opened_at_(absl::Now()),
      session_(std::move(session)) {
  PQsetNoticeReceiver(session_->handle(), ReceiveNotice, &notices_);
}

std::unique_ptr<Connection> Connection::Open(const Options& options, JitPolicy* jit, Canceller* canceller,
                                             OpenFailure* failure) {
  const absl::Time deadline = absl::Now() + options.connect_timeout;
  ConnectionParameters parameters = options.parameters;
  if (jit->wants_startup_option()) parameters["options"] = "-c jit=off";
  Session::Failure session_failure;
  std::unique_ptr<Session> session = Session::Open(parameters, deadline, options.closing, &session_failure);
  if (session == nullptr) {
    if (jit->wants_startup_option() &&
        absl::StrContains(session_failure.error.message, "unsupported startup parameter")) {
      jit->OnStartupOptionRefused();
    }
    failure->error = session_failure.error;
    failure->fate = FateOfConnect(session_failure.error);
    return nullptr;
  }
  std::unique_ptr<Connection> connection(new Connection(std::move(session), options, jit, canceller));
  if (!connection->Probe(deadline, failure)) return nullptr;
  return connection;
}

// Asks the server about itself; false if it can not be used.
bool Connection::Probe(absl::Time deadline, OpenFailure* failure) {
  Flight flight;
  // Functions of pg_catalog by their full name: anybody can put others in front of them.
  flight.statements = {
      "SELECT pg_catalog.current_setting('jit', true),"
      " (SELECT source FROM pg_catalog.pg_settings WHERE name = 'jit'),"
      " pg_catalog.pg_backend_pid(), pg_catalog.current_setting('server_version'),"
      " pg_catalog.current_setting('transaction_read_only'), pg_catalog.pg_is_in_recovery()"};
  flight.alone = true;
  flight.deadline = deadline;
  const FlightReport report = Fly(flight);
  if (report.failure.has_value() || report.results.size() != 1 || report.results[0].row_count() != 1) {
    if (report.failure.has_value()) failure->error = report.failure->error;
    failure->fate = FateOfConnect(failure->error);
    return false;
  }
  PGconn* handle = session_->handle();
  const Result& answer = report.results[0];
  facts_.jit.setting = std::string(answer.Text(0, 0));
  facts_.jit.source = std::string(answer.Text(0, 1));
  if (!absl::SimpleAtoi(answer.Text(0, 2), &facts_.backend_pid)) facts_.backend_pid = 0;
  facts_.server_version = std::string(answer.Text(0, 3));
  facts_.read_only = answer.Text(0, 4) == "on";
  facts_.in_recovery = answer.Text(0, 5) == "t";
  facts_.server_version_number = PQserverVersion(handle);
  facts_.behind_pooler = PQbackendPID(handle) != facts_.backend_pid;
  facts_.has_cancel_key = PQbackendPID(handle) != 0;
  facts_.tls = PQsslInUse(handle) != 0;
  facts_.standard_conforming_strings = strings_conform();

  failure->fate = Fate::kMisconfigured;
  if (Parameter(handle, "client_encoding") != "UTF8") {
    // In SJIS or GBK a quote can be the second byte of a character.
    failure->error.message = absl::StrCat("client_encoding is ", Parameter(handle, "client_encoding"), ", not UTF8");
    return false;
  }
  if (absl::Status off = jit_->Verify(facts_.jit); !off.ok()) {
    failure->error.message = std::string(off.message());
    return false;
  }
  ComposeFixedPrelude();
  return true;
}

void Connection::ComposeFixedPrelude() {
  const auto set = [this](absl::string_view assignment) {
    absl::StrAppend(&fixed_prelude_, "SET LOCAL ", assignment, ";");
    ++fixed_prelude_statements_;
  };
  if (!jit_->may_set_beside_statements()) return;
  if (jit_->wants_prefix(facts_.jit)) set("jit = off");
  // The forms in which values are read, where a role or database has others.
  PGconn* handle = session_->handle();
  if (!absl::StartsWith(Parameter(handle, "DateStyle"), "ISO")) set("datestyle = 'ISO'");
  if (Parameter(handle, "IntervalStyle") != "postgres") set("intervalstyle = 'postgres'");
  // Before 12, floats were rounded to 15 digits by default.
  if (facts_.server_version_number < 120000) set("extra_float_digits = 3");
}

bool Connection::strings_conform() const {
  return Parameter(session_->handle(), "standard_conforming_strings") != "off";
}

FlightReport Connection::Fly(const Flight& flight) {
  FlightReport report;
  notices_ = &report.notices;
  report.failure = FlyInto(flight, &report);
  notices_ = nullptr;
  return report;
}

// The failure, or nullopt if every statement completed.
std::optional<FlightFailure> Connection::FlyInto(const Flight& flight, FlightReport* report) {
  const absl::Duration room = flight.alone ? absl::ZeroDuration() : kStatementTimeoutRoom;
  if (interrupt_.raised()) return NotStarted(CutShort::kByCaller, *report);
  if (absl::Now() >= flight.deadline) return NotStarted(CutShort::kByDeadline, *report);
  if (!IsAlive()) {
    lost_ = true;
    return NotStarted(CutShort::kNo, *report);
  }

  const Message message = Compose(flight);
  report->round_trips = 1;
  if (const Sent sent = Send(message.text, flight.deadline + room + cancel_wait_); sent != Sent::kWhole) {
    lost_ = true;
    FlightFailure failure = NotStarted(CutShort::kNo, *report);
    // An incomplete message is never run; but was it incomplete?
    if (sent == Sent::kUnclear) failure.outcome = v1::OUTCOME_UNKNOWN;
    return failure;
  }

  Reception::Limits limits;
  limits.deadline = flight.deadline;
  limits.cancel_at = flight.deadline + room;
  limits.cancel_wait = cancel_wait_;
  limits.answer_bytes_max = flight.answer_bytes_max;
  Reception reception(session_->handle(), &interrupt_, canceller_, limits);
  reception.Read(message.prelude_statements, report);

  copying_ = reception.copying();
  lost_ = reception.gave_up() || PQstatus(session_->handle()) != CONNECTION_OK;
  // Even if the statement ended by a cancel: another one's (statement_timeout, an operator)
  // may have been faster, and ours would hit the next call, or with a pooler anybody's.
  cancel_may_still_arrive_ = reception.cancel_sent();
  const bool all_done = report->results.size() == flight.statements.size();
  // The tag of the last statement comes after the commit: what breaks behind it is not this
  // flight's. An ERROR would be, of a statement that we did not count.
  const bool broke_off = reception.error().has_value() && reception.error()->severity != "ERROR";
  if (all_done && (broke_off || !reception.error().has_value())) return std::nullopt;

  FlightFailure failure;
  failure.cut_short = reception.cut_short();
  if (reception.error().has_value()) {
    failure.error = *reception.error();
  } else {
    failure.error.message = reception.gave_up() ? "no answer came in time" : "the answer ended early";
  }
  const Fate fate = FateOf(reception, message);
  failure.outcome = OutcomeOf(fate, flight.may_commit_midway);
  failure.is_verdict = fate == Fate::kFailed;
  failure.will_not_pass = fate == Fate::kMisconfigured || fate == Fate::kBadCredentials;
  LocateError(message, report->results.size(), &failure);
  return failure;
}

// What became of a message that was sent and did not come to its end.
Fate Connection::FateOf(const Reception& reception, const Message& message) {
  // Without an error, too few results: PostgreSQL read the statements as fewer than we did.
  if (reception.gave_up() || copying_ || !reception.error().has_value()) return Fate::kUnknown;
  SentMessage sent;
  sent.connection_lost = lost_;
  sent.behind_pooler = facts_.behind_pooler;
  sent.has_prelude = message.prelude_statements > 0;
  sent.results_came = reception.completed() > 0;
  const Fate fate = FateOfSent(*reception.error(), sent);
  if (fate == Fate::kNotRun && RefusesSetBesideStatements(*reception.error())) {
    // Refused again without the JIT prefix: what was asked for (READ ONLY) needs a SET too.
    if (!jit_->may_set_beside_statements()) return Fate::kMisconfigured;
    jit_->OnSetRefused();
    jit_refused_ = true;
  }
  return fate;
}

// Which statement an error is about, and where in it. PostgreSQL parses the whole message
// before it runs the first statement, so a syntax error comes before any result.
void Connection::LocateError(const Message& message, size_t completed, FlightFailure* failure) {
  failure->statement = completed;
  if (failure->error.position <= 0) return;
  const size_t byte = ByteOfCharacter(message.text, failure->error.position);
  const auto behind = std::upper_bound(message.begins.begin(), message.begins.end(), byte);
  if (behind == message.begins.begin()) return;
  failure->statement = static_cast<size_t>(behind - message.begins.begin()) - 1;
  failure->position = failure->error.position - CharacterPosition(message.text, message.begins[failure->statement]) + 1;
}

FlightFailure Connection::NotStarted(CutShort cut_short, const FlightReport& report) const {
  FlightFailure failure;
  failure.outcome = v1::OUTCOME_NOT_STARTED;
  failure.cut_short = cut_short;
  // The last words of the server came as a notice, since nobody had asked anything.
  for (const ServerError& notice : report.notices) {
    if (notice.severity == "FATAL" || notice.severity == "PANIC") failure.error = notice;
  }
  if (failure.error.message.empty()) failure.error.message = "the connection was lost before the statement was sent";
  return failure;
}

Connection::Message Connection::Compose(const Flight& flight) const {
  Message message;
  size_t size = 256;
  for (absl::string_view statement : flight.statements) size += statement.size() + 4;
  message.text.reserve(size);
  if (!flight.alone) {
    const std::string transaction = SetTransaction(flight);
    absl::StrAppend(&message.text, transaction, fixed_prelude_);
    message.prelude_statements = fixed_prelude_statements_ + (transaction.empty() ? 0 : 1);
    if (flight.deadline != absl::InfiniteFuture() && jit_->may_set_beside_statements()) {
      const int64_t left = absl::ToInt64Milliseconds(flight.deadline - absl::Now());
      constexpr int64_t kTimeoutMax = std::numeric_limits<int32_t>::max();
      absl::StrAppend(&message.text, "SET LOCAL statement_timeout = ", std::clamp<int64_t>(left, 1, kTimeoutMax), ";");
      ++message.prelude_statements;
    }
  }
  for (absl::string_view statement : flight.statements) {
    // On a line of its own: the statement before may end in a -- comment.
    if (!message.begins.empty()) message.text += "\n;\n";
    message.begins.push_back(message.text.size());
    absl::StrAppend(&message.text, statement);
  }
  return message;
}

// One system call when all is well. Turns most unknown outcomes into NOT_STARTED: a
// backend that was killed while idle has said so by now.
bool Connection::IsAlive() {
  PGconn* handle = session_->handle();
  if (lost_ || PQstatus(handle) != CONNECTION_OK || PQtransactionStatus(handle) != PQTRANS_IDLE) return false;
  constexpr int kReadsMax = 100;
  for (int reads = 0; reads < kReadsMax; ++reads) {
    pollfd socket = {PQsocket(handle), POLLIN, 0};
    if (poll(&socket, 1, 0) <= 0) return true;
    if (PQconsumeInput(handle) == 0) return false;
    PQisBusy(handle);  // parses what came
    if (PQstatus(handle) != CONNECTION_OK) return false;
    for (const ServerError& notice : *notices_) {
      if (notice.severity == "FATAL" || notice.severity == "PANIC") return false;
    }
  }
  return false;
}

Connection::Sent Connection::Send(const std::string& message, absl::Time give_up) {
  PGconn* handle = session_->handle();
  if (PQsendQuery(handle, message.c_str()) == 0) return GiveUpSending(Sent::kNotWhole);
  for (;;) {
    const int flushed = PQflush(handle);
    if (flushed == 0) return Sent::kWhole;
    if (flushed < 0) return GiveUpSending(Sent::kUnclear);
    // Some of it is still here, so it is not whole there.
    if (absl::Now() >= give_up) return GiveUpSending(Sent::kNotWhole);
    pollfd socket = {PQsocket(handle), POLLIN | POLLOUT, 0};
    if (poll(&socket, 1, 100) > 0 && (socket.revents & POLLIN) != 0 && PQconsumeInput(handle) == 0) {
      return GiveUpSending(Sent::kUnclear);
    }
  }
}

// Closing a connection flushes what libpq still has of the message, which would then be
// whole after all: not through a socket that is shut down.
Connection::Sent Connection::GiveUpSending(Sent sent) {
  if (PQsocket(session_->handle()) >= 0) shutdown(PQsocket(session_->handle()), SHUT_RDWR);
  return sent;
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
