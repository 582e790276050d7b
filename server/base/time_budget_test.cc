#include "server/base/time_budget.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

constexpr absl::Time kNow = absl::UnixEpoch();

TEST(TimeBudgetTest, ACallerHearsBeforeItsDeadline) {
  const absl::Time deadline = kNow + absl::Milliseconds(500);
  const TimeBudget budget = TimeBudget::OfCaller(kNow, deadline);
  EXPECT_EQ(budget.work_until, kNow + absl::Milliseconds(450));
  EXPECT_EQ(budget.answer_by, kNow + absl::Milliseconds(490));
  EXPECT_EQ(budget.cancel_room(), absl::Milliseconds(15));
}

TEST(TimeBudgetTest, KeepsNoMoreThan100Milliseconds) {
  EXPECT_EQ(TimeBudget::OfCaller(kNow, kNow + absl::Hours(1)).work_until,
            kNow + absl::Hours(1) - absl::Milliseconds(100));
}

// A shared flight's work ends long before those who wait for it must hear.
TEST(TimeBudgetTest, StatementTimeoutHasAQuarterOfASecondToDoItsWork) {
  EXPECT_EQ(TimeBudget::Of(kNow, absl::Seconds(1)).cancel_room(), absl::Milliseconds(250));
  EXPECT_EQ((TimeBudget{kNow + absl::Seconds(2), kNow + absl::Minutes(10)}.cancel_room()), absl::Milliseconds(250));
}

}  // namespace
}  // namespace sluice
