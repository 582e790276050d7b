#include "client/cli/status_text.h"

#include <google/protobuf/util/time_util.h>

#include <limits>

#include "absl/strings/match.h"
#include "client/cli/terminal.h"
#include "gtest/gtest.h"

namespace sluice::cli {
namespace {

using google::protobuf::util::TimeUtil;

void AddBucket(double up_to, int64_t calls, v1::Totals* totals) {
  v1::Totals::Bucket* const bucket = totals->add_seconds();
  bucket->set_up_to(up_to);
  bucket->set_calls(calls);
}

Snapshot At(absl::Time time, int64_t calls) {
  Snapshot snapshot;
  snapshot.taken_at = time;
  snapshot.status.mutable_totals()->set_calls(calls);
  AddBucket(0.005, calls, snapshot.status.mutable_totals());
  return snapshot;
}

TEST(ShortTimeTest, IsAsLongAsOneWantsToRead) {
  EXPECT_EQ(ShortTime(absl::Microseconds(320)), "0.3 ms");
  EXPECT_EQ(ShortTime(absl::Milliseconds(42)), "42 ms");
  EXPECT_EQ(ShortTime(absl::Seconds(41.26)), "41.3 s");
  EXPECT_EQ(ShortTime(absl::Minutes(17)), "17 min");
  EXPECT_EQ(ShortTime(absl::Hours(3) + absl::Minutes(4)), "3h 04m");
  EXPECT_EQ(ShortTime(absl::Hours(51)), "2d 03h");
}

TEST(QuantileTest, IsTheBoundOfTheBucketThatReachesIt) {
  v1::Totals totals;
  EXPECT_EQ(Quantile(totals.seconds(), 0.5), "");
  AddBucket(0.001, 90, &totals);
  AddBucket(0.005, 9, &totals);
  AddBucket(std::numeric_limits<double>::infinity(), 1, &totals);
  EXPECT_EQ(Quantile(totals.seconds(), 0.5), "up to 1.0 ms");
  EXPECT_EQ(Quantile(totals.seconds(), 0.99), "up to 5.0 ms");
  EXPECT_EQ(Quantile(totals.seconds(), 0.999), "more than 5.0 ms");
}

TEST(RatesTest, AreOfTheTimeBetweenButNotAcrossARestart) {
  const absl::Time now = absl::FromUnixSeconds(1000);
  Snapshot before = At(now, 100);
  const Snapshot after = At(now + absl::Seconds(2), 150);
  EXPECT_TRUE(absl::StrContains(RatesText(before, after), "now     25.0 calls/s")) << RatesText(before, after);
  // Another process: its counters began anew.
  *before.status.mutable_started_at() = TimeUtil::SecondsToTimestamp(1);
  EXPECT_TRUE(absl::StrContains(RatesText(before, after), "so far")) << RatesText(before, after);
}

TEST(CallsTest, WhatCallersSendCanNotSteerTheTerminal) {
  v1::ListCallsResponse calls;
  calls.add_calls()->set_tag("\x1b]0;title\x07");
  EXPECT_FALSE(absl::StrContains(CallsText(calls), "\x1b"));
}

TEST(FirstCellsTest, CutsBetweenCharacters) {
  EXPECT_EQ(FirstCells("abcdef", 3), "abc");
  EXPECT_EQ(FirstCells("ab", 3), "ab");
}

}  // namespace
}  // namespace sluice::cli
