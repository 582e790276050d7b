#include "server/base/errors.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"

namespace sluice::errors {
namespace {

using Metadata = std::map<std::string, std::string>;
using absl::StatusCode;

// A request that was refused: nothing was sent.
absl::Status Refused(StatusCode code, absl::string_view reason, std::string message, Metadata metadata = {}) {
  ErrorFacts facts;
  facts.code = code;
  facts.reason = std::string(reason);
  facts.message = std::move(message);
  facts.metadata = std::move(metadata);
  return MakeError(std::move(facts));
}

absl::Status TryLater(StatusCode code, absl::string_view reason, std::string message, absl::Duration retry_after,
                      Metadata metadata = {}) {
  ErrorFacts facts = FactsOf(Refused(code, reason, std::move(message), std::move(metadata)));
  facts.retry_after = retry_after;
  return MakeError(std::move(facts));
}

absl::Status Ended(StatusCode code, absl::string_view reason, std::string message, v1::Outcome outcome,
                   Metadata metadata = {}) {
  ErrorFacts facts = FactsOf(Refused(code, reason, std::move(message), std::move(metadata)));
  facts.outcome = outcome;
  return MakeError(std::move(facts));
}

}  // namespace

absl::Status MalformedRequest(absl::string_view why, absl::string_view field) {
  Metadata metadata;
  if (!field.empty()) metadata["field"] = std::string(field);
  return Refused(StatusCode::kInvalidArgument, "MALFORMED_REQUEST", std::string(why), std::move(metadata));
}

absl::Status InvalidField(absl::string_view field, absl::string_view why) {
  return Refused(StatusCode::kInvalidArgument, "INVALID_FIELD", absl::StrCat(field, ": ", why),
                 {{"field", std::string(field)}});
}

absl::Status SyntaxError(absl::string_view why, int position) {
  return Refused(StatusCode::kInvalidArgument, "SYNTAX_ERROR", absl::StrCat(why, " at character ", position),
                 {{"field", "statement.sql"}, {"sqlstate", "42601"}, {"position", absl::StrCat(position)}});
}

absl::Status InvalidText(absl::string_view field, absl::string_view why) {
  return Refused(StatusCode::kInvalidArgument, "INVALID_TEXT", absl::StrCat(field, ": ", why),
                 {{"field", std::string(field)}, {"sqlstate", "22021"}});
}

absl::Status EmptyStatement() {
  return Refused(StatusCode::kInvalidArgument, "EMPTY_STATEMENT", "statement.sql holds no statement",
                 {{"field", "statement.sql"}});
}

absl::Status MultipleStatements(int position) {
  return Refused(
      StatusCode::kInvalidArgument, "MULTIPLE_STATEMENTS",
      absl::StrCat("a second statement begins at character ", position, "; send several statements with ExecuteBatch"),
      {{"field", "statement.sql"}, {"sqlstate", "42601"}, {"position", absl::StrCat(position)}});
}

absl::Status ParameterCount(absl::string_view why, absl::string_view sqlstate) {
  return Refused(StatusCode::kInvalidArgument, "PARAMETER_COUNT", std::string(why),
                 {{"field", "statement.params"}, {"sqlstate", std::string(sqlstate)}});
}

absl::Status ParameterInvalid(int index, absl::string_view why, absl::string_view sqlstate) {
  return Refused(StatusCode::kInvalidArgument, "PARAMETER_INVALID", absl::StrCat("$", index, ": ", why),
                 {{"field", absl::StrCat("statement.params[", index - 1, "]")},
                  {"parameterIndex", absl::StrCat(index)},
                  {"sqlstate", std::string(sqlstate)}});
}

absl::Status ParametersNotAllowed(absl::string_view keyword) {
  return Refused(StatusCode::kInvalidArgument, "PARAMETERS_NOT_ALLOWED",
                 absl::StrCat(keyword,
                              " takes no parameters; they go with SELECT, WITH, VALUES, TABLE, INSERT, UPDATE, "
                              "DELETE, MERGE, CALL, EXPLAIN and DECLARE"),
                 {{"field", "statement.params"}, {"keyword", std::string(keyword)}, {"sqlstate", "42601"}});
}

absl::Status RequestTooLarge(absl::string_view field, int64_t limit, int64_t actual, absl::string_view unit) {
  return Refused(StatusCode::kInvalidArgument, "REQUEST_TOO_LARGE",
                 absl::StrCat(field, ": at most ", limit, " ", unit, ", got ", actual),
                 {{"field", std::string(field)}, {"limit", absl::StrCat(limit)}, {"actual", absl::StrCat(actual)}});
}

absl::Status TransactionControl(absl::string_view keyword, absl::string_view use_instead) {
  return Refused(StatusCode::kFailedPrecondition, "TRANSACTION_CONTROL",
                 absl::StrCat(keyword, " is not for a single call; ", use_instead),
                 {{"keyword", std::string(keyword)}});
}

absl::Status SessionState(absl::string_view what, absl::string_view use_instead) {
  return Refused(StatusCode::kFailedPrecondition, "SESSION_STATE",
                 absl::StrCat(what, " would outlive the call in a pooled session; ", use_instead),
                 {{"what", std::string(what)}});
}

absl::Status CopyNotSupported() {
  return Refused(StatusCode::kFailedPrecondition, "STATEMENT_NOT_SUPPORTED",
                 "COPY to or from the client has calls of its own: CopyIn and CopyOut", {{"keyword", "COPY"}});
}

absl::Status BinaryNotSupported() {
  return Refused(StatusCode::kFailedPrecondition, "STATEMENT_NOT_SUPPORTED",
                 "a BINARY cursor: its rows would not be text; declare it without BINARY", {{"keyword", "DECLARE"}});
}

absl::Status CopyOfNoQuery(absl::string_view keyword) {
  return Refused(
      StatusCode::kFailedPrecondition, "STATEMENT_NOT_SUPPORTED",
      absl::StrCat(keyword, " can not be copied; SELECT, WITH, VALUES, TABLE and a write with RETURNING can"),
      {{"keyword", std::string(keyword)}});
}

absl::Status NotInTransaction(absl::string_view keyword) {
  return Refused(StatusCode::kFailedPrecondition, "ACTIVE_SQL_TRANSACTION",
                 absl::StrCat(keyword,
                              " can not run inside a transaction, so not in an atomic batch, with transaction "
                              "options or read-only"),
                 {{"keyword", std::string(keyword)}, {"sqlstate", "25001"}});
}

absl::Status ReadOnly(absl::string_view what) {
  return Refused(StatusCode::kFailedPrecondition, "READ_ONLY",
                 absl::StrCat(what, " writes, which READ ONLY would not keep it from"),
                 {{"sqlstate", "25006"}, {"what", std::string(what)}});
}

absl::Status HeldCallsOff() {
  return Refused(StatusCode::kFailedPrecondition, "HELD_CALLS_OFF",
                 "this gateway has one connection, which it keeps for short calls: streams take a pool_size of 2");
}

absl::Status AmbiguousString() {
  return Refused(StatusCode::kFailedPrecondition, "AMBIGUOUS_STRING",
                 "the server has standard_conforming_strings = off, which changes what a backslash in '...' means; "
                 "write E'...', or pass the text as a parameter",
                 {{"field", "statement.sql"}, {"sqlstate", "0A000"}});
}

absl::Status TokenMissing() {
  return Refused(StatusCode::kUnauthenticated, "TOKEN_MISSING",
                 "this gateway knows its callers: send `authorization: Bearer <token>` or a client certificate");
}

absl::Status TokenInvalid() {
  return Refused(StatusCode::kUnauthenticated, "TOKEN_INVALID", "the token or certificate belongs to no caller");
}

absl::Status StatementNotAllowed(absl::string_view caller, absl::string_view permission) {
  return Refused(StatusCode::kPermissionDenied, "STATEMENT_NOT_ALLOWED",
                 absl::StrCat("caller ", caller, " lacks the permission ", permission),
                 {{"caller", std::string(caller)}, {"permission", std::string(permission)}});
}

absl::Status OperatorsOnly() {
  return Refused(StatusCode::kPermissionDenied, "OPERATORS_ONLY",
                 "this is for users of the gateway's own machine, and for callers with the permission admin");
}

absl::Status ConfigurationRefused(const std::vector<std::string>& problems) {
  return Refused(StatusCode::kInvalidArgument, "CONFIGURATION_REFUSED",
                 absl::StrCat("everything stays as it was: ", absl::StrJoin(problems, "\n")));
}

absl::Status IdentityRefused(absl::string_view role, absl::string_view why, absl::string_view sqlstate) {
  return Ended(StatusCode::kPermissionDenied, "IDENTITY_REFUSED", absl::StrCat("can not run as ", role, ": ", why),
               v1::OUTCOME_ROLLED_BACK,
               {{"field", "options.identity.role"}, {"role", std::string(role)}, {"sqlstate", std::string(sqlstate)}});
}

absl::Status GatewayOverloaded(absl::string_view what_is_full, absl::Duration retry_after) {
  return TryLater(StatusCode::kResourceExhausted, "GATEWAY_OVERLOADED", std::string(what_is_full), retry_after);
}

absl::Status QueueTimeout(absl::Duration waited, absl::string_view why) {
  return Refused(
      StatusCode::kDeadlineExceeded, "QUEUE_TIMEOUT",
      absl::StrCat("no connection came free within ", absl::FormatDuration(waited), why.empty() ? "" : ": ", why),
      {{"waited", absl::FormatDuration(waited)}});
}

absl::Status BackendUnreachable(absl::string_view why, std::optional<absl::Duration> retry_after) {
  ErrorFacts facts = FactsOf(Refused(StatusCode::kUnavailable, "BACKEND_UNREACHABLE", std::string(why)));
  facts.retry_after = retry_after;
  return MakeError(std::move(facts));
}

absl::Status ReadInterrupted(absl::string_view why) {
  ErrorFacts facts = FactsOf(BackendUnreachable(why, absl::Milliseconds(100)));
  facts.outcome = v1::OUTCOME_UNKNOWN;
  return MakeError(std::move(facts));
}

absl::Status Draining(v1::Outcome outcome) {
  ErrorFacts facts = FactsOf(Refused(StatusCode::kUnavailable, "DRAINING", "this gateway is shutting down"));
  facts.outcome = outcome;
  const bool is_undone = outcome == v1::OUTCOME_NOT_STARTED || outcome == v1::OUTCOME_ROLLED_BACK;
  if (is_undone) facts.retry_after = absl::ZeroDuration();
  return MakeError(std::move(facts));
}

absl::Status Cancelled(v1::Outcome outcome) {
  return Ended(StatusCode::kCancelled, "CANCELLED", "cancelled by the caller", outcome);
}

absl::Status CancelledByOperator(v1::Outcome outcome) {
  return Ended(StatusCode::kCancelled, "CANCELLED_BY_OPERATOR", "cancelled by an operator of the gateway", outcome);
}

absl::Status DeadlineExceeded(v1::Outcome outcome, absl::Duration limit) {
  return Ended(StatusCode::kDeadlineExceeded, "DEADLINE_EXCEEDED",
               absl::StrCat("not done within ", absl::FormatDuration(limit)), outcome,
               {{"limit", absl::FormatDuration(limit)}});
}

absl::Status FlightRolledBack() {
  ErrorFacts facts = FactsOf(Ended(StatusCode::kAborted, "FLIGHT_ROLLED_BACK",
                                   "rolled back with the flight that it shared, and there was no time to run it alone",
                                   v1::OUTCOME_ROLLED_BACK));
  facts.retry_after = absl::ZeroDuration();
  return MakeError(std::move(facts));
}

absl::Status OutcomeUnknown(absl::string_view why, bool is_kept) {
  ErrorFacts facts = FactsOf(
      Ended(StatusCode::kUnknown, "OUTCOME_UNKNOWN",
            absl::StrCat("it may have been committed", is_kept ? " (ask again with the same request_id): " : ": ", why),
            v1::OUTCOME_UNKNOWN));
  if (is_kept) facts.retry_after = absl::Milliseconds(100);
  return MakeError(std::move(facts));
}

absl::Status LedgerUnavailable(absl::string_view why, absl::string_view sqlstate) {
  const bool is_refused = sqlstate == "42501";
  return Refused(StatusCode::kFailedPrecondition, "LEDGER_UNAVAILABLE",
                 absl::StrCat("a request_id needs the table sluice.requests, ",
                              is_refused ? "which the gateway's role may not use (sluice setup --role grants it)"
                                         : "which `sluice setup` makes",
                              ": ", why),
                 {{"sqlstate", std::string(sqlstate)}});
}

absl::Status RequestIdReused(absl::string_view id) {
  return Refused(StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
                 absl::StrCat("the request_id ", id, " belongs to another request, which was done"),
                 {{"requestId", std::string(id)}});
}

absl::Status AnswerNotKept(int64_t bytes, int64_t limit) {
  return Ended(StatusCode::kFailedPrecondition, "ANSWER_NOT_KEPT",
               absl::StrCat("it was done when it was first asked for, and its answer of ", bytes,
                            " bytes is more than the ", limit, " that are kept"),
               v1::OUTCOME_COMMITTED, {{"bytes", absl::StrCat(bytes)}, {"limitBytes", absl::StrCat(limit)}});
}

absl::Status ResponseTooLarge(absl::string_view what, int64_t limit, int64_t rows_so_far, v1::Outcome outcome) {
  return Ended(
      StatusCode::kResourceExhausted, "RESPONSE_TOO_LARGE",
      absl::StrCat("the answer exceeds ", limit, " ", what, "; use ExecuteStream, or ask for less at a time (LIMIT)"),
      outcome,
      {{what == "rows" ? "limitRows" : "limitBytes", absl::StrCat(limit)}, {"rowsSoFar", absl::StrCat(rows_so_far)}});
}

absl::Status ReaderStalled(v1::Outcome outcome) {
  return Ended(StatusCode::kAborted, "READER_STALLED", "the client took nothing of the stream for too long", outcome);
}

absl::Status SenderStalled(v1::Outcome outcome, absl::Duration limit) {
  return Ended(StatusCode::kAborted, "SENDER_STALLED",
               absl::StrCat("the client sent nothing of the stream for ", absl::FormatDuration(limit)), outcome,
               {{"limit", absl::FormatDuration(limit)}});
}

absl::Status ListenOff() {
  return Refused(
      StatusCode::kFailedPrecondition, "LISTEN_OFF",
      "this gateway has no listen_url: LISTEN takes a connection that stays a session, to PostgreSQL itself or "
      "to a pooler in session mode");
}

absl::Status SubscriberTooSlow(int64_t limit) {
  return Refused(StatusCode::kResourceExhausted, "SUBSCRIBER_TOO_SLOW",
                 absl::StrCat("dropped: more than ", limit, " bytes of events waited for it"),
                 {{"limit", absl::StrCat(limit)}});
}

absl::Status TwoAnswers(v1::Outcome outcome) {
  return Ended(StatusCode::kFailedPrecondition, "STATEMENT_NOT_SUPPORTED",
               "several rules return rows, which a stream has no place for: use Execute", outcome);
}

absl::Status ValueForm(absl::string_view column, v1::Outcome outcome) {
  return Ended(StatusCode::kFailedPrecondition, "VALUE_FORM",
               absl::StrCat("a value of column ", column,
                            " is not in the form of its type: does the statement change DateStyle or the encoding?"),
               outcome, {{"column", std::string(column)}});
}

absl::Status TransactionIdle(absl::Duration limit) {
  return Ended(StatusCode::kAborted, "TRANSACTION_IDLE",
               absl::StrCat("rolled back: nothing was asked of it for ", absl::FormatDuration(limit)),
               v1::OUTCOME_ROLLED_BACK, {{"limit", absl::FormatDuration(limit)}});
}

absl::Status TransactionTooLong(absl::Duration limit) {
  return Ended(StatusCode::kAborted, "TRANSACTION_TOO_LONG",
               absl::StrCat("rolled back: it was open for ", absl::FormatDuration(limit)), v1::OUTCOME_ROLLED_BACK,
               {{"limit", absl::FormatDuration(limit)}});
}

absl::Status TransactionLost(absl::string_view why) {
  ErrorFacts facts = FactsOf(Ended(StatusCode::kAborted, "TRANSACTION_LOST",
                                   absl::StrCat("rolled back: its connection broke: ", why), v1::OUTCOME_ROLLED_BACK));
  facts.retry_after = absl::Milliseconds(100);
  return MakeError(std::move(facts));
}

absl::Status TransactionFailed() {
  return Refused(StatusCode::kFailedPrecondition, "IN_FAILED_SQL_TRANSACTION",
                 "a statement of this transaction has failed: roll back, all of it or to a savepoint",
                 {{"sqlstate", "25P02"}});
}

absl::Status TransactionOver() {
  return Refused(StatusCode::kFailedPrecondition, "TRANSACTION_OVER", "this transaction has ended: begin another one");
}

absl::Status Bug(absl::string_view what, v1::Outcome outcome) {
  return Ended(StatusCode::kInternal, "GATEWAY_BUG", std::string(what), outcome);
}

}  // namespace sluice::errors
