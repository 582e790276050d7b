#include "server/postgres/round_trip.h"

#include "gtest/gtest.h"

namespace sluice::postgres {
namespace {

TEST(RoundTripTest, SlowStatementsDoNotLengthenTheWay) {
  RoundTrip way;
  way.OnProof(absl::Milliseconds(1));
  for (int i = 0; i < 10000; ++i) way.OnFlight(absl::Milliseconds(40));
  EXPECT_EQ(way.typical(), absl::Milliseconds(1));
}

TEST(RoundTripTest, TheShortestFlightShortensIt) {
  RoundTrip way;
  way.OnProof(absl::Milliseconds(5));
  way.OnFlight(absl::Milliseconds(2));
  EXPECT_EQ(way.typical(), absl::Milliseconds(2));
}

// A database that has moved to another place.
TEST(RoundTripTest, ProofsLengthenIt) {
  RoundTrip way;
  way.OnProof(absl::Milliseconds(1));
  way.OnProof(absl::Milliseconds(41));
  EXPECT_EQ(way.typical(), absl::Milliseconds(6));
  for (int i = 0; i < 60; ++i) way.OnProof(absl::Milliseconds(41));
  EXPECT_GT(way.typical(), absl::Milliseconds(40));
}

TEST(RoundTripTest, TheFirstOneIsTakenAsItIs) {
  RoundTrip way;
  EXPECT_EQ(way.typical(), absl::InfiniteDuration());
  way.OnFlight(absl::Milliseconds(7));
  EXPECT_EQ(way.typical(), absl::Milliseconds(7));
}

}  // namespace
}  // namespace sluice::postgres
