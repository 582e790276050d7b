#include "server/postgres/gate.h"

#include <future>

#include "gtest/gtest.h"

namespace sluice::postgres {
namespace {

using std::chrono::milliseconds;

Gate::Options Patient() {
  Gate::Options options;
  options.backoff_min = absl::Hours(1);
  options.backoff_max = absl::Hours(1);
  options.credentials_backoff = absl::Hours(2);
  options.shrunk_for = absl::Hours(1);
  return options;
}

// Whether somebody who enters now would have to wait. Lets them go in the end.
class Entrance {
 public:
  explicit Entrance(Gate* gate)
      : gate_(gate), entered_(std::async(std::launch::async, [gate] { return gate->Enter(); })) {}
  ~Entrance() { gate_->Shut(); }
  bool Entered() { return entered_.get(); }
  bool Waits() { return entered_.wait_for(milliseconds(50)) == std::future_status::timeout; }

 private:
  Gate* gate_;
  std::future<bool> entered_;
};

TEST(GateTest, LetsFourHandshakesInAtOnce) {
  Gate gate(Gate::Options(), 15);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(gate.Enter());
  Entrance fifth(&gate);
  EXPECT_TRUE(fifth.Waits());
  gate.Opened();
  EXPECT_TRUE(fifth.Entered());
}

TEST(GateTest, AfterAFailureEverybodyStaysAway) {
  Gate gate(Patient(), 15);
  ASSERT_TRUE(gate.Enter());
  const absl::Duration away = gate.Failed(Fate::kNotRun, false);
  EXPECT_GT(away, absl::Minutes(44));
  Entrance next(&gate);
  EXPECT_TRUE(next.Waits());
}

TEST(GateTest, AWrongPasswordIsTriedRarely) {
  Gate gate(Patient(), 15);
  ASSERT_TRUE(gate.Enter());
  EXPECT_GT(gate.Failed(Fate::kBadCredentials, false), absl::Minutes(89));
}

TEST(GateTest, BacksOffFurtherWithEachFailureUpToAMaximum) {
  Gate::Options options;
  options.backoff_min = absl::Microseconds(100);
  options.backoff_max = absl::Microseconds(1600);
  Gate gate(options, 15);
  absl::Duration last = absl::ZeroDuration();
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(gate.Enter());
    last = gate.Failed(Fate::kNotRun, false);
  }
  EXPECT_GE(last, absl::Microseconds(1200));
  EXPECT_LE(last, absl::Microseconds(2000));
}

TEST(GateTest, LivesWithWhatAFullPoolerGives) {
  Gate::Options options = Patient();
  options.backoff_min = options.backoff_max = absl::Microseconds(1);
  Gate gate(options, 15);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(gate.Enter());
    gate.Opened();
  }
  ASSERT_TRUE(gate.Enter());
  gate.Failed(Fate::kNotRun, /*too_many_connections=*/true);
  Entrance third(&gate);
  EXPECT_TRUE(third.Waits());
  gate.Closed();
  EXPECT_TRUE(third.Entered());
}

// A pooler that lets everybody in and runs nothing would else be asked in a busy loop.
TEST(GateTest, AfterARefusedRunEverybodyStaysAwayForAMoment) {
  Gate gate(Patient(), 15);
  ASSERT_TRUE(gate.Enter());
  gate.Opened();
  gate.Refused();
  Entrance next(&gate);
  EXPECT_TRUE(next.Waits());
}

TEST(GateTest, ShutItLetsAllGo) {
  Gate gate(Patient(), 1);
  ASSERT_TRUE(gate.Enter());
  gate.Opened();
  Entrance waits(&gate);
  gate.Shut();
  EXPECT_FALSE(waits.Entered());
}

}  // namespace
}  // namespace sluice::postgres
