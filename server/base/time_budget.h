#ifndef SLUICE_SERVER_BASE_TIME_BUDGET_H_
#define SLUICE_SERVER_BASE_TIME_BUDGET_H_

#include <algorithm>

#include "absl/time/time.h"

namespace sluice {

// When a call's work must be over, and when its answer must go out. A caller with a deadline T of
// its own would not hear of anything later; so R, a tenth of what it gives and 100 ms at most, is
// kept back:
//   T - R          statement_timeout ends the statement. What it can not end (several statements
//                  together, one without prelude) is cancelled.
//   T - 0.7 R      a cancel request, should statement_timeout not have done it
//   T - 0.2 R      the answer, with what is known of the outcome by then
struct TimeBudget {
  absl::Time work_until = absl::InfiniteFuture();
  absl::Time answer_by = absl::InfiniteFuture();

  static TimeBudget OfCaller(absl::Time now, absl::Time deadline) {
    const absl::Duration kept_back = std::min((deadline - now) / 10, absl::Milliseconds(100));
    return {deadline - kept_back, deadline - kept_back / 5};
  }
  // Nobody but the gateway sets a limit: its answer is waited for.
  static TimeBudget Of(absl::Time now, absl::Duration limit) { return {now + limit, absl::InfiniteFuture()}; }

  // How long statement_timeout has to do its work before a cancel is sent.
  absl::Duration cancel_room() const { return std::min((answer_by - work_until) * 3 / 8, absl::Milliseconds(250)); }
};

}  // namespace sluice

#endif  // SLUICE_SERVER_BASE_TIME_BUDGET_H_
