#include "server/observe/trace.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace sluice::observe {
namespace {

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpan[] = "00f067aa0ba902b7";

TEST(TraceparentTest, IsReadAsW3cWritesIt) {
  const std::optional<TraceParent> sampled = ParseTraceparent(absl::StrCat("00-", kTrace, "-", kSpan, "-01"));
  ASSERT_TRUE(sampled.has_value());
  EXPECT_EQ(sampled->trace_id, kTrace);
  EXPECT_EQ(sampled->span_id, kSpan);
  EXPECT_TRUE(sampled->sampled);
  EXPECT_FALSE(ParseTraceparent(absl::StrCat("00-", kTrace, "-", kSpan, "-00"))->sampled);
  EXPECT_FALSE(ParseTraceparent(absl::StrCat("00-", kTrace, "-", kSpan, "-02"))->sampled);
  // A later version may have more.
  EXPECT_TRUE(ParseTraceparent(absl::StrCat("01-", kTrace, "-", kSpan, "-0b-more"))->sampled);
}

TEST(TraceparentTest, WhatIsNoneIsNone) {
  for (const std::string& header :
       {std::string(), absl::StrCat("ff-", kTrace, "-", kSpan, "-01"),
        absl::StrCat("00-", kTrace, "-", kSpan, "-01-more"), absl::StrCat("00-", kTrace, "-", kSpan, "-1"),
        absl::StrCat("00-", std::string(32, '0'), "-", kSpan, "-01"),
        absl::StrCat("00-", kTrace, "-", std::string(16, '0'), "-01"),
        absl::StrCat("00-4BF92F3577B34DA6A3CE929D0E0E4736-", kSpan, "-01"),
        absl::StrCat("00-", std::string(30, 'a'), "*/-", kSpan, "-01")}) {
    EXPECT_FALSE(ParseTraceparent(header).has_value()) << header;
  }
}

TEST(CallTraceTest, HasASpanOfItsOwnInItsCallersTrace) {
  const TraceParent caller = {kTrace, kSpan, true};
  const CallTrace one(caller), other(caller);
  EXPECT_EQ(one.span_id().size(), 16u);
  EXPECT_NE(one.span_id(), other.span_id());
  EXPECT_EQ(one.comment(), absl::StrCat("traceparent='00-", kTrace, "-", one.span_id(), "-01'"));
}

TEST(CallTraceTest, KeepsAboutAHundredSpansWithTheirParts) {
  CallTrace trace({kTrace, kSpan, true});
  const Span part = {"SELECT", absl::UnixEpoch(), absl::UnixEpoch(), {}, {}};
  for (int i = 0; i < 1000; ++i) trace.Add({"flight", absl::UnixEpoch(), absl::UnixEpoch(), {}, {part}});
  EXPECT_EQ(trace.spans().size(), 50u);
  EXPECT_FALSE(trace.has_room());
}

}  // namespace
}  // namespace sluice::observe
