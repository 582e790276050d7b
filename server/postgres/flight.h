#ifndef SLUICE_SERVER_POSTGRES_FLIGHT_H_
#define SLUICE_SERVER_POSTGRES_FLIGHT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/base/error.h"
#include "server/base/time_budget.h"
#include "server/postgres/result.h"
#include "server/postgres/server_error.h"
#include "server/postgres/streams.h"

namespace sluice::postgres {

// Where a flight stands in a transaction.
enum class Bracket {
  kWhole,     // it is one
  kOpens,     // it begins one that stays open
  kContinues  // it is inside of one
};

enum class Isolation { kDefault, kReadCommitted, kRepeatableRead, kSerializable };

// One simple-protocol message to be: a prelude and statements, in one implicit
// transaction, in one network round trip.
struct Flight {
  // Must outlive the flight. Each is exactly one statement.
  std::vector<absl::string_view> statements;
  // What goes behind each as an SQL comment, where there is any: for all of them, or none. Must outlive it, too.
  std::vector<absl::string_view> comments;
  // A statement that can not run in a transaction block, or may COMMIT, flies alone and
  // without prelude; `isolation`, `read_only` and `deferrable` must be unset then.
  bool alone = false;
  // It may commit part of its work before it fails (CALL, VACUUM, CREATE INDEX CONCURRENTLY).
  bool may_commit_midway = false;

  // A statement that sets for whom the others run; empty for nobody in particular. Its result is
  // left out. Must outlive the flight.
  absl::string_view identity;

  Bracket bracket = Bracket::kWhole;
  // Of a transaction that it is, or opens.
  Isolation isolation = Isolation::kDefault;
  bool read_only = false;
  bool deferrable = false;

  // Next to no work: what it takes is the way there and back.
  bool is_proof = false;

  // Its end becomes statement_timeout, and a cancel for what that can not end.
  TimeBudget time;
  // What one statement may take of it at most.
  absl::Duration statement_time_max = absl::InfiniteDuration();
  // Past this many bytes of answer the flight is cancelled: libpq keeps it all in memory. With a sink,
  // past so many for one row.
  int64_t answer_bytes_max = 64 << 20;

  // Of its only statement. What goes there is not in the report.
  Streams streams;
};

// Why a flight was cut short by the gateway itself.
enum class CutShort { kNo, kByCaller, kByDeadline, kBySize, kByStream };

struct FlightFailure {
  Outcome outcome = v1::OUTCOME_UNKNOWN;
  // Of the statement that sets for whom the others run.
  bool of_identity = false;
  // Which statement failed, from 0; meaningful if `error` came from PostgreSQL.
  size_t statement = 0;
  // The first error that was received. A made-up one of libpq has no sqlstate.
  ServerError error;
  // 1-based, in characters of the failed statement's text; 0 if unknown.
  int position = 0;
  CutShort cut_short = CutShort::kNo;
  // The statement_timeout that ended the statement; zero if none did.
  absl::Duration time_limit;
  // PostgreSQL itself judged the statement, rather than that the way to it broke.
  bool is_verdict = false;
  // Nothing ran, and nothing will until somebody changes a setting.
  bool will_not_pass = false;
  // Its streams were used: another try would tell something twice, or have nothing to tell.
  bool streams_were_used = false;
};

// What came back.
struct FlightReport {
  // Of the statements that completed, in order; the prelude's are left out.
  std::vector<Result> results;
  // At most 100.
  std::vector<ServerError> notices;
  // Unset: every statement completed and the transaction is committed. (Of an answer to a sink that was cut short, and
  // whose statement completed all the same, the outcome is COMMITTED.)
  std::optional<FlightFailure> failure;
  // 0 if nothing was sent.
  int round_trips = 0;
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_FLIGHT_H_
