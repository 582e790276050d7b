#include "server/observe/error_board.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/base/error.h"
#include "server/base/errors.h"

namespace sluice::observe {
namespace {

CallFinished Failed(const absl::Status& status) {
  CallFinished call;
  call.method = "Execute";
  call.status = status;
  return call;
}

TEST(ErrorBoardTest, HasAnEntryForEachReasonAndOutcomeTheLastOneFirst) {
  ErrorBoard board;
  board.Record(Failed(errors::Cancelled(v1::OUTCOME_ROLLED_BACK)));
  board.Record(Failed(errors::Draining()));
  board.Record(Failed(absl::OkStatus()));
  board.Record(Failed(errors::Cancelled(v1::OUTCOME_UNKNOWN)));
  board.Record(Failed(errors::Cancelled(v1::OUTCOME_ROLLED_BACK)));
  const std::vector<ErrorState> latest = board.Latest();
  ASSERT_EQ(latest.size(), 3u);
  EXPECT_EQ(latest[0].reason, "CANCELLED");
  EXPECT_EQ(latest[0].outcome, "ROLLED_BACK");
  EXPECT_EQ(latest[0].count, 2);
  EXPECT_EQ(latest[1].outcome, "UNKNOWN");
  EXPECT_EQ(latest[2].reason, "DRAINING");
}

TEST(ErrorBoardTest, IsBoundedAndForgetsWhatWasSeenLongestAgo) {
  ErrorBoard board;
  for (int i = 0; i < 60; ++i) {
    ErrorFacts facts;
    facts.code = absl::StatusCode::kAborted;
    facts.reason = absl::StrCat("REASON_", i);
    board.Record(Failed(MakeError(facts)));
  }
  const std::vector<ErrorState> latest = board.Latest();
  ASSERT_EQ(latest.size(), 50u);
  EXPECT_EQ(latest.front().reason, "REASON_59");
  EXPECT_EQ(latest.back().reason, "REASON_10");
}

}  // namespace
}  // namespace sluice::observe
