#include "server/query/outcome.h"

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/errors.h"
#include "server/postgres/sqlstate.h"

namespace sluice::query {
namespace {

using postgres::CutShort;
using postgres::FlightFailure;

// Whether the failure is the effect of our own cancel, and no verdict that came before it.
bool IsEffectOfCut(const FlightFailure& failure) {
  return failure.cut_short != CutShort::kNo && (!failure.is_verdict || failure.error.sqlstate == "57014");
}

// What another try on the same data can well succeed in: the other transaction has won and is
// gone; and a plan or statement that a pooler kept of somebody else's.
bool IsBadLuck(const postgres::ServerError& error) {
  for (const char* sqlstate : {"40001", "40P01", "26000", "42P05"}) {
    if (error.sqlstate == sqlstate) return true;
  }
  return error.sqlstate == "0A000" && error.message == "cached plan must not change result type";
}

}  // namespace

absl::Status ToStatus(const FlightFailure& failure, const Plan& plan, const PlannedStatement& statement,
                      const Turn& turn) {
  if (IsEffectOfCut(failure)) {
    switch (failure.cut_short) {
      case CutShort::kByCaller: return turn.WhyEnded(failure.outcome);
      case CutShort::kByDeadline: return errors::DeadlineExceeded(failure.outcome, turn.limit());
      case CutShort::kBySize: return errors::ResponseTooLarge("bytes", plan.answer_bytes_max, 0, failure.outcome);
      case CutShort::kByStream:  // who knows why it did
      case CutShort::kNo: break;
    }
  }
  if (failure.time_limit > absl::ZeroDuration()) {
    const absl::Duration of_role = turn.server().statement_timeout;
    return errors::DeadlineExceeded(failure.outcome, of_role <= failure.time_limit ? of_role : turn.limit());
  }
  if (failure.error.sqlstate.empty()) {
    // libpq's or our own word for a broken connection.
    switch (failure.outcome) {
      case v1::OUTCOME_NOT_STARTED: return errors::BackendUnreachable(failure.error.message, absl::Milliseconds(100));
      case v1::OUTCOME_ROLLED_BACK: return errors::TransactionLost(failure.error.message);
      default:
        return plan.read_only ? errors::ReadInterrupted(failure.error.message)
                              : errors::OutcomeUnknown(failure.error.message);
    }
  }
  if (failure.will_not_pass && failure.outcome == v1::OUTCOME_NOT_STARTED) {
    return errors::BackendUnreachable(failure.error.message, std::nullopt);
  }
  if (failure.of_identity && failure.is_verdict) {
    return errors::IdentityRefused(plan.role, failure.error.message, failure.error.sqlstate);
  }
  // A failure of a whole flight is no statement's, whatever a pooler writes into its position.
  const bool located = failure.position > 0 && statement.caller_text != nullptr;
  const int position = located ? statement.bound.CallerPosition(*statement.caller_text, failure.position) : 0;
  if (failure.outcome == v1::OUTCOME_UNKNOWN && !failure.is_verdict && plan.read_only) {
    return errors::ReadInterrupted(failure.error.message);
  }
  const absl::Status status = postgres::FromServerError(failure.error, failure.outcome, failure.is_verdict, position);
  const int parameter = located ? statement.bound.ParameterAt(failure.position) : 0;
  return parameter == 0 ? status : WithMetadata(status, "parameterIndex", absl::StrCat(parameter));
}

Rerun MayRerun(const FlightFailure& failure, bool looks_read_only) {
  if (failure.cut_short != CutShort::kNo || failure.will_not_pass || failure.streams_were_used) return Rerun::kNo;
  switch (failure.outcome) {
    case v1::OUTCOME_NOT_STARTED: return Rerun::kNotStarted;
    case v1::OUTCOME_ROLLED_BACK: return IsBadLuck(failure.error) ? Rerun::kConflict : Rerun::kNo;
    case v1::OUTCOME_UNKNOWN: return looks_read_only && !failure.is_verdict ? Rerun::kAsReadOnly : Rerun::kNo;
    default: return Rerun::kNo;
  }
}

}  // namespace sluice::query
