#ifndef SLUICE_SERVER_BASE_ERROR_H_
#define SLUICE_SERVER_BASE_ERROR_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "sluice/v1/error.pb.h"

namespace sluice {

// What became of the work of a call that failed. See proto/sluice/v1/error.proto.
using Outcome = v1::Outcome;

// Everything that an error tells its caller. It travels through the gateway inside an
// absl::Status, as payloads that are the details of the gRPC status to come:
// ErrorInfo (reason, outcome and metadata), RetryInfo and PostgresError.
struct ErrorFacts {
  absl::StatusCode code = absl::StatusCode::kInternal;
  // UPPER_SNAKE_CASE: a condition of PostgreSQL, or a reason of the gateway's own.
  // Each is explained in docs/errors.md.
  std::string reason;
  std::string message;
  Outcome outcome = v1::OUTCOME_NOT_STARTED;
  // Every value that the message mentions, so that programs need not parse it.
  std::map<std::string, std::string> metadata;
  // Set only where a retry can help and is safe.
  std::optional<absl::Duration> retry_after;
  std::optional<v1::PostgresError> postgres;
};

// Cuts a message at 1 KiB and metadata values at 128 bytes, with "..." at the end.
absl::Status MakeError(ErrorFacts facts);

// The text, or as much of it as fits with "..." behind.
std::string Shortened(absl::string_view text, size_t bytes_max);

// The facts of an error that MakeError made; for any other error its code and message,
// with an empty reason and OUTCOME_UNKNOWN, since nobody said what became of the work.
ErrorFacts FactsOf(const absl::Status& status);

// Shorthands for one fact.
std::string ReasonOf(const absl::Status& status);
Outcome OutcomeOf(const absl::Status& status);
// Empty when no SQLSTATE is known.
std::string SqlStateOf(const absl::Status& status);

// The same error with one more metadata entry, such as "parameterIndex".
absl::Status WithMetadata(const absl::Status& status, absl::string_view key, absl::string_view value);
// The same error of this statement of a batch, from 0.
absl::Status WithStatementIndex(const absl::Status& status, size_t index);
// The same error of work of which this became; without RetryInfo where that is no longer safe.
absl::Status WithOutcome(const absl::Status& status, Outcome outcome);
// The same error of work that an earlier try may have done, and that can be tried again for all that (a read, or by its
// request_id): UNKNOWN, and its RetryInfo stays.
absl::Status PerhapsDoneBefore(const absl::Status& status);

// "NOT_STARTED", "ROLLED_BACK", "UNKNOWN", "COMMITTED"
absl::string_view OutcomeName(Outcome outcome);

}  // namespace sluice

#endif  // SLUICE_SERVER_BASE_ERROR_H_
