#include "server/query/outcome.h"

#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/postgres/sqlstate.h"

namespace sluice::query {
namespace {

using postgres::CutShort;
using postgres::FlightFailure;

// By the time rather than by PostgreSQL's text, which may be in any language. A little before
// the deadline, since statement_timeout is in whole milliseconds.
bool IsStatementTimeout(const FlightFailure& failure, const Turn& turn) {
  return failure.error.sqlstate == "57014" && absl::Now() >= turn.deadline() - absl::Milliseconds(2);
}

// Whether the failure is the effect of our own cancel, and no verdict that came before it.
bool IsEffectOfCut(const FlightFailure& failure) {
  return failure.cut_short != CutShort::kNo && (!failure.is_verdict || failure.error.sqlstate == "57014");
}

}  // namespace

absl::Status ToStatus(const FlightFailure& failure, const PlannedStatement& statement, const Turn& turn,
                      int64_t answer_bytes_max) {
  if (IsEffectOfCut(failure)) {
    switch (failure.cut_short) {
      case CutShort::kByCaller: return errors::Cancelled(failure.outcome);
      case CutShort::kByDeadline: return errors::DeadlineExceeded(failure.outcome, turn.limit());
      case CutShort::kBySize: return errors::ResponseTooLarge("bytes", answer_bytes_max, 0, failure.outcome);
      case CutShort::kNo: break;
    }
  }
  if (IsStatementTimeout(failure, turn)) return errors::DeadlineExceeded(failure.outcome, turn.limit());
  if (failure.error.sqlstate.empty()) {
    // libpq's or our own word for a broken connection.
    if (failure.outcome != v1::OUTCOME_NOT_STARTED) return errors::OutcomeUnknown(failure.error.message);
    return errors::BackendUnreachable(failure.error.message, absl::Milliseconds(100));
  }
  if (failure.will_not_pass && failure.outcome == v1::OUTCOME_NOT_STARTED) {
    return errors::BackendUnreachable(failure.error.message, absl::Seconds(5));
  }
  const int position =
      failure.position > 0 ? statement.bound.CallerPosition(*statement.caller_text, failure.position) : 0;
  return postgres::FromServerError(failure.error, failure.outcome, failure.is_verdict, position);
}

Rerun MayRerun(const FlightFailure& failure, bool looks_read_only) {
  if (failure.cut_short != CutShort::kNo || failure.will_not_pass) return Rerun::kNo;
  switch (failure.outcome) {
    case v1::OUTCOME_NOT_STARTED: return Rerun::kNotStarted;
    case v1::OUTCOME_ROLLED_BACK:
      return failure.error.sqlstate == "40001" || failure.error.sqlstate == "40P01" ? Rerun::kConflict : Rerun::kNo;
    case v1::OUTCOME_UNKNOWN: return looks_read_only && !failure.is_verdict ? Rerun::kAsReadOnly : Rerun::kNo;
    default: return Rerun::kNo;
  }
}

}  // namespace sluice::query
