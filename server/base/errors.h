#ifndef SLUICE_SERVER_BASE_ERRORS_H_
#define SLUICE_SERVER_BASE_ERRORS_H_

// Every error of the gateway's own, by name. What PostgreSQL and the poolers say is
// translated in server/postgres/sqlstate.h. docs/errors.md tells callers what to do
// about each; a test compares that page with this file.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "sluice/v1/error.pb.h"

namespace sluice::errors {

// --- The request is wrong: INVALID_ARGUMENT, never sent -------------------------------

// The bytes are no message of this API, or a string in it is not UTF-8. `field` may be empty.
absl::Status MalformedRequest(absl::string_view why, absl::string_view field);
// A field that is missing or out of its range.
absl::Status InvalidField(absl::string_view field, absl::string_view why);
// Bytes that PostgreSQL's lexer would refuse; `position` in characters, from 1.
absl::Status SyntaxError(absl::string_view why, int position);
// Text that is not UTF-8, or has a NUL byte.
absl::Status InvalidText(absl::string_view field, absl::string_view why);
absl::Status EmptyStatement();
absl::Status MultipleStatements(int position);
// A $n that has no parameter, a parameter that has no $n, or more than 65,535.
absl::Status ParameterCount(absl::string_view why, absl::string_view sqlstate);
// `index` counts from 1, as $n does.
absl::Status ParameterInvalid(int index, absl::string_view why, absl::string_view sqlstate);
// A statement whose meaning would silently change with literals in the place of $n.
absl::Status ParametersNotAllowed(absl::string_view keyword);
// More than a limit of the API. `unit` completes "at most 1000 <unit>".
absl::Status RequestTooLarge(absl::string_view field, int64_t limit, int64_t actual, absl::string_view unit);

// --- The statement can not run here: FAILED_PRECONDITION ------------------------------

absl::Status TransactionControl(absl::string_view keyword, absl::string_view use_instead);
absl::Status SessionState(absl::string_view what, absl::string_view use_instead);
// COPY to or from the client, which has calls of its own.
absl::Status CopyNotSupported();
absl::Status BinaryNotSupported();
// CopyOut of what returns no rows.
absl::Status CopyOfNoQuery(absl::string_view keyword);
// A stream, where the only connection is kept for short calls.
absl::Status HeldCallsOff();
// In a batch or read-only transaction, a statement that can not run in a transaction block.
absl::Status NotInTransaction(absl::string_view keyword);
// In a READ ONLY transaction, what such a one would not keep from writing.
absl::Status ReadOnly(absl::string_view what);
// A string that this server's standard_conforming_strings = off would read differently.
absl::Status AmbiguousString();

// --- Who calls -----------------------------------------------------------------------

absl::Status TokenMissing();
absl::Status TokenInvalid();
// PostgreSQL would not let the call run as its identity; `why` is its own word.
absl::Status IdentityRefused(absl::string_view role, absl::string_view why, absl::string_view sqlstate);
// `permission` is one that the caller lacks.
absl::Status StatementNotAllowed(absl::string_view caller, absl::string_view permission);

// --- Operators -----------------------------------------------------------------------

// From elsewhere, of somebody without the permission `admin`.
absl::Status OperatorsOnly();
// New settings that are not taken, each problem in a line.
absl::Status ConfigurationRefused(const std::vector<std::string>& problems);

// --- Load, time, weather -------------------------------------------------------------

absl::Status GatewayOverloaded(absl::string_view what_is_full, absl::Duration retry_after);
// The deadline passed before a connection came free. `why` tells what the gateway knows.
absl::Status QueueTimeout(absl::Duration waited, absl::string_view why);
// No connection: without `retry_after` if trying again would not help until somebody changes
// something (a wrong password, no such database).
absl::Status BackendUnreachable(absl::string_view why, std::optional<absl::Duration> retry_after);
// The connection broke under a call that was READ ONLY: it may be made again, as the caller said
// that it only reads. (What it hides in a view may have been done.)
absl::Status ReadInterrupted(absl::string_view why);
absl::Status Draining(v1::Outcome outcome = v1::OUTCOME_NOT_STARTED);
absl::Status Cancelled(v1::Outcome outcome);
absl::Status CancelledByOperator(v1::Outcome outcome);
absl::Status DeadlineExceeded(v1::Outcome outcome, absl::Duration limit);
// It ran in a flight of several that was rolled back, and had no other turn.
absl::Status FlightRolledBack();
// The connection broke, or answered nonsense, after the statement was sent. `is_kept`: of a call with a request_id,
// which finds out when it is made again.
absl::Status OutcomeUnknown(absl::string_view why, bool is_kept = false);
// A call with a request_id, where PostgreSQL does not let the gateway at its ledger: `sqlstate` and `why` are its
// words.
absl::Status LedgerUnavailable(absl::string_view why, absl::string_view sqlstate);
// An id that another request has had.
absl::Status RequestIdReused(absl::string_view id);
// It was done when it was asked for the first time, but its answer was too large to be kept.
absl::Status AnswerNotKept(int64_t bytes, int64_t limit);
// The answer is larger than the limit. `rows_so_far` were read before it was given up.
absl::Status ResponseTooLarge(absl::string_view what, int64_t limit, int64_t rows_so_far, v1::Outcome outcome);
// The client of a stream took nothing of it for a long time.
absl::Status ReaderStalled(v1::Outcome outcome);
// The client of a stream sent nothing for a long time.
absl::Status SenderStalled(v1::Outcome outcome, absl::Duration limit);
// Listen, where no connection for it is known; and a subscriber that does not take what comes.
absl::Status ListenOff();
absl::Status SubscriberTooSlow(int64_t limit);
// Several rules of a table return rows, which a stream has no place for.
absl::Status TwoAnswers(v1::Outcome outcome);
// A streamed value that is not in the form of the kind that its column was told to have.
absl::Status ValueForm(absl::string_view column, v1::Outcome outcome);
// A transaction that nobody asked anything of, that was open for too long, or whose connection broke.
absl::Status TransactionIdle(absl::Duration limit);
absl::Status TransactionTooLong(absl::Duration limit);
absl::Status TransactionLost(absl::string_view why);
// A request to a transaction that has failed (and wants a rollback), or has ended.
absl::Status TransactionFailed();
absl::Status TransactionOver();
// A broken promise of our own.
absl::Status Bug(absl::string_view what, v1::Outcome outcome);

}  // namespace sluice::errors

#endif  // SLUICE_SERVER_BASE_ERRORS_H_
