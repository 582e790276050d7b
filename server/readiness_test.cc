#include "server/readiness.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

TEST(SteadyJudgementTest, IsDownUntilItHasBeenUp) {
  SteadyJudgement judgement;
  EXPECT_FALSE(judgement.Judge(false, kStart));
  EXPECT_TRUE(judgement.Judge(true, kStart));
}

TEST(SteadyJudgementTest, AShortOutageStaysUp) {
  SteadyJudgement judgement;
  judgement.Judge(true, kStart);
  EXPECT_TRUE(judgement.Judge(false, kStart + absl::Milliseconds(1900)));
  EXPECT_TRUE(judgement.Judge(true, kStart + absl::Seconds(2)));
  EXPECT_TRUE(judgement.Judge(false, kStart + absl::Milliseconds(3900)));
}

TEST(SteadyJudgementTest, ALongOneGoesDownAndComesUpAtOnce) {
  SteadyJudgement judgement;
  judgement.Judge(true, kStart);
  EXPECT_FALSE(judgement.Judge(false, kStart + SteadyJudgement::kDownAfter));
  EXPECT_TRUE(judgement.Judge(true, kStart + SteadyJudgement::kDownAfter + absl::Milliseconds(1)));
}

}  // namespace
}  // namespace sluice
