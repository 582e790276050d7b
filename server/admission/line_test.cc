#include "server/admission/line.h"

#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "server/base/error.h"
#include "server/base/errors.h"

namespace sluice::admission {
namespace {

class TestWaiter : public Waiter {
 public:
  TestWaiter(std::string caller, absl::Time deadline, Lane lane = Lane::kShort, Priority priority = Priority::kNormal)
      : caller_(std::move(caller)), deadline_(deadline), lane_(lane), priority_(priority) {}

  const std::string& caller() const override { return caller_; }
  Lane lane() const override { return lane_; }
  Priority priority() const override { return priority_; }
  size_t bytes() const override { return 100; }
  absl::Time deadline() const override { return deadline_; }
  bool Serve(postgres::Connection&) override { return true; }
  // Keeps the facts, not the status: threads that share one count its references inside
  // Debian's Abseil, where ThreadSanitizer does not see them do so.
  void Refuse(const absl::Status& status) override { refusal_.set_value(FactsOf(status)); }

  // Waits for it.
  ErrorFacts Refusal() { return refusal_.get_future().get(); }

 private:
  const std::string caller_;
  const absl::Time deadline_;
  const Lane lane_;
  const Priority priority_;
  std::promise<ErrorFacts> refusal_;
};

std::shared_ptr<TestWaiter> From(const std::string& caller, absl::Time deadline = absl::InfiniteFuture()) {
  return std::make_shared<TestWaiter>(caller, deadline);
}

std::shared_ptr<TestWaiter> Held(const std::string& caller) {
  return std::make_shared<TestWaiter>(caller, absl::InfiniteFuture(), Lane::kHeld);
}

std::shared_ptr<TestWaiter> Of(Priority priority, const std::string& caller = "a") {
  return std::make_shared<TestWaiter>(caller, absl::InfiniteFuture(), Lane::kShort, priority);
}

Line::Options RoomFor(size_t length, size_t per_caller) {
  Line::Options options;
  options.length_max = length;
  options.length_per_caller_max = per_caller;
  return options;
}

// The one that is next; null if there is none.
WaiterPtr Take(Line& line, absl::Time until = absl::InfinitePast()) {
  std::vector<WaiterPtr> taken = line.Next(until, absl::InfiniteDuration());
  EXPECT_LE(taken.size(), 1u);
  return taken.empty() ? nullptr : taken[0];
}

TEST(LineTest, ServesOneCallerInOrder) {
  Line line(RoomFor(10, 10));
  auto first = From("a"), second = From("a");
  ASSERT_TRUE(line.Join(first).ok());
  ASSERT_TRUE(line.Join(second).ok());
  EXPECT_EQ(Take(line), first);
  EXPECT_EQ(Take(line), second);
  EXPECT_EQ(Take(line), nullptr);
}

TEST(LineTest, CallersTakeTurns) {
  Line line(RoomFor(10, 10));
  for (const char* caller : {"greedy", "greedy", "greedy", "modest", "other"}) {
    ASSERT_TRUE(line.Join(From(caller)).ok());
  }
  std::vector<std::string> served;
  while (WaiterPtr next = Take(line)) served.push_back(next->caller());
  EXPECT_EQ(served, (std::vector<std::string>{"greedy", "modest", "other", "greedy", "greedy"}));
}

// A Line that serves one held call at a time, and serves one while another waits.
struct OneHeldAtATime {
  OneHeldAtATime() : line(Options()), first(Held("a")), second(Held("b")) {
    EXPECT_TRUE(line.Join(first).ok());
    EXPECT_TRUE(line.Join(second).ok());
    EXPECT_EQ(Take(line), first);
  }
  static Line::Options Options() {
    Line::Options options;
    options.held_max = 1;
    return options;
  }

  Line line;
  WaiterPtr first, second;
};

TEST(LineTest, OfOneCallerWhatMattersMoreGoesFirst) {
  Line line(RoomFor(10, 10));
  auto low = Of(Priority::kLow), normal = Of(Priority::kNormal), high = Of(Priority::kHigh);
  auto another = Of(Priority::kLow, "b"), last = Of(Priority::kHigh);
  for (const auto& waiter : {low, normal, high, another, last}) ASSERT_TRUE(line.Join(waiter).ok());
  EXPECT_EQ(Take(line), high);
  // Callers take turns, whatever they think of their calls.
  EXPECT_EQ(Take(line), another);
  EXPECT_EQ(Take(line), last);
  EXPECT_EQ(Take(line), normal);
  EXPECT_EQ(Take(line), low);
}

TEST(LineTest, WhatMattersLessMakesRoom) {
  Line line(RoomFor(3, 3));
  auto first_low = Of(Priority::kLow), last_low = Of(Priority::kLow), others = Of(Priority::kLow, "b");
  for (const auto& waiter : {first_low, last_low, others}) ASSERT_TRUE(line.Join(waiter).ok());
  EXPECT_EQ(ReasonOf(line.Join(Of(Priority::kLow))), "GATEWAY_OVERLOADED");
  // Not another caller's.
  EXPECT_EQ(ReasonOf(line.Join(Of(Priority::kHigh, "c"))), "GATEWAY_OVERLOADED");
  auto high = Of(Priority::kHigh), normal = Of(Priority::kNormal);
  ASSERT_TRUE(line.Join(high).ok());
  const ErrorFacts shed = last_low->Refusal();
  EXPECT_EQ(shed.reason, "GATEWAY_OVERLOADED");
  EXPECT_TRUE(shed.retry_after.has_value());
  ASSERT_TRUE(line.Join(normal).ok());
  EXPECT_EQ(first_low->Refusal().reason, "GATEWAY_OVERLOADED");
  EXPECT_EQ(ReasonOf(line.Join(Of(Priority::kNormal))), "GATEWAY_OVERLOADED");
  EXPECT_EQ(line.length(), 3u);
  EXPECT_EQ(Take(line), high);
}

// Whoever is too large even so has put nobody out.
TEST(LineTest, NobodyIsPutOutForNothing) {
  Line::Options options;
  options.bytes_max = 250;
  Line line(options);
  auto low = Of(Priority::kLow), others = Of(Priority::kHigh, "b");
  ASSERT_TRUE(line.Join(low).ok());
  ASSERT_TRUE(line.Join(others).ok());
  class Large : public TestWaiter {
   public:
    Large() : TestWaiter("a", absl::InfiniteFuture(), Lane::kShort, Priority::kHigh) {}
    size_t bytes() const override { return 200; }
  };
  EXPECT_EQ(ReasonOf(line.Join(std::make_shared<Large>())), "GATEWAY_OVERLOADED");
  EXPECT_EQ(line.length(), 2u);
  EXPECT_EQ(Take(line), low);
}

TEST(LineTest, HeldCallsLeaveAConnectionToShortOnes) {
  OneHeldAtATime held;
  Line& line = held.line;
  EXPECT_EQ(Take(line), nullptr);
  auto brief = From("a");
  ASSERT_TRUE(line.Join(brief).ok());
  EXPECT_EQ(Take(line), brief);
  line.ReleaseHeld();
  EXPECT_EQ(Take(line), held.second);
}

TEST(LineTest, AWaitingThreadHearsThatAHeldCallMayGo) {
  OneHeldAtATime held;
  Line& line = held.line;
  auto taken = std::async(std::launch::async, [&] { return Take(line, absl::Now() + absl::Seconds(30)); });
  line.ReleaseHeld();
  EXPECT_EQ(taken.get(), held.second);
}

TEST(LineTest, APoolThatCanNotHaveAllItsConnectionsKeepsOneForShortCalls) {
  Line line(RoomFor(10, 10));
  auto held = Held("a");
  ASSERT_TRUE(line.Join(held).ok());
  line.LimitHeld(0);
  EXPECT_EQ(Take(line), nullptr);
  line.LimitHeld(5);
  EXPECT_EQ(Take(line), held);
}

TEST(LineTest, LanesTakeTurns) {
  Line line(RoomFor(10, 10));
  std::vector<WaiterPtr> joined = {From("a"), From("a"), From("a"), Held("a"), Held("a")};
  for (const WaiterPtr& waiter : joined) ASSERT_TRUE(line.Join(waiter).ok());
  std::vector<Lane> served;
  while (WaiterPtr next = Take(line)) served.push_back(next->lane());
  EXPECT_EQ(served, (std::vector<Lane>{Lane::kShort, Lane::kHeld, Lane::kShort, Lane::kHeld, Lane::kShort}));
}

TEST(LineTest, AClosedLineServesHeldCallsThatWaitAndIsOverThen) {
  OneHeldAtATime held;
  Line& line = held.line;
  line.Close();
  auto taken = std::async(std::launch::async, [&] { return Take(line, absl::InfiniteFuture()); });
  line.ReleaseHeld();
  EXPECT_EQ(taken.get(), held.second);
  EXPECT_EQ(Take(line, absl::InfiniteFuture()), nullptr);
}

TEST(LineTest, RefusesAtOnceWhenFull) {
  Line line(RoomFor(2, 2));
  ASSERT_TRUE(line.Join(From("a")).ok());
  ASSERT_TRUE(line.Join(From("b")).ok());
  const absl::Status refused = line.Join(From("c"));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(refused), "GATEWAY_OVERLOADED");
  EXPECT_TRUE(FactsOf(refused).retry_after.has_value());
}

TEST(LineTest, RefusesAtOnceWhatItHasNoMemoryFor) {
  Line::Options options;
  options.bytes_max = 250;
  Line line(options);
  ASSERT_TRUE(line.Join(From("a")).ok());
  ASSERT_TRUE(line.Join(From("a")).ok());
  EXPECT_EQ(ReasonOf(line.Join(From("a"))), "GATEWAY_OVERLOADED");
  ASSERT_NE(Take(line), nullptr);
  EXPECT_TRUE(line.Join(From("a")).ok());
}

TEST(LineTest, OneCallerCanNotFillIt) {
  Line line(RoomFor(4, 2));
  ASSERT_TRUE(line.Join(From("greedy")).ok());
  ASSERT_TRUE(line.Join(From("greedy")).ok());
  EXPECT_EQ(ReasonOf(line.Join(From("greedy"))), "GATEWAY_OVERLOADED");
  EXPECT_TRUE(line.Join(From("modest")).ok());
}

TEST(LineTest, NorItsMemory) {
  Line::Options options;
  options.bytes_max = 400;
  options.bytes_per_caller_max = 200;
  Line line(options);
  ASSERT_TRUE(line.Join(From("greedy")).ok());
  ASSERT_TRUE(line.Join(From("greedy")).ok());
  EXPECT_EQ(ReasonOf(line.Join(From("greedy"))), "GATEWAY_OVERLOADED");
  EXPECT_TRUE(line.Join(From("modest")).ok());
  ASSERT_NE(Take(line), nullptr);
  EXPECT_TRUE(line.Join(From("greedy")).ok());
}

TEST(LineTest, BarredItGivesBackWhoWaitsAndRefusesWhoComes) {
  Line line(RoomFor(10, 10));
  auto waits = From("a");
  ASSERT_TRUE(line.Join(waits).ok());
  const absl::Status reason = errors::BackendUnreachable("a wrong password", std::nullopt);
  EXPECT_EQ(line.Bar(reason), std::vector<WaiterPtr>{waits});
  EXPECT_EQ(line.length(), 0u);
  EXPECT_EQ(ReasonOf(line.Join(From("a"))), "BACKEND_UNREACHABLE");
  line.Bar(absl::OkStatus());
  EXPECT_TRUE(line.Join(From("a")).ok());
}

// Cancelled between a connection and the Line, where nobody finds it.
class Deserter : public TestWaiter {
 public:
  explicit Deserter(Line* line) : TestWaiter("a", absl::InfiniteFuture()), line_(*line) {}
  void OnRejoined() override { line_.Leave(this); }

 private:
  Line& line_;
};

TEST(LineTest, WhoeverComesBackIsAskedWhetherItStillWaits) {
  Line line(RoomFor(10, 10));
  line.Rejoin({std::make_shared<Deserter>(&line), From("a")});
  EXPECT_EQ(line.length(), 1u);
}

TEST(LineTest, RefusesWhoseDeadlinePassesThoughNoConnectionComes) {
  Line line(RoomFor(10, 10));
  line.Explain("the database is down");
  auto later = From("a", absl::InfiniteFuture());
  auto overdue = From("a", absl::Now() + absl::Milliseconds(1));
  ASSERT_TRUE(line.Join(later).ok());
  ASSERT_TRUE(line.Join(overdue).ok());
  const ErrorFacts refusal = overdue->Refusal();
  EXPECT_EQ(refusal.reason, "QUEUE_TIMEOUT");
  EXPECT_EQ(refusal.outcome, v1::OUTCOME_NOT_STARTED);
  EXPECT_NE(refusal.message.find("the database is down"), std::string::npos);
  EXPECT_EQ(line.length(), 1u);
}

// The thread that looks after deadlines must hear of one that is earlier than the one it
// waits for, and of the first one at all.
TEST(LineTest, RefusesTheOverdueAlsoAfterALaterOneHasGone) {
  Line line(RoomFor(10, 10));
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(line.Join(From("a", absl::Now() + absl::Hours(1))).ok());
    ASSERT_NE(Take(line), nullptr);
    auto overdue = From("a", absl::Now() + absl::Milliseconds(1));
    ASSERT_TRUE(line.Join(overdue).ok());
    EXPECT_EQ(overdue->Refusal().reason, "QUEUE_TIMEOUT");
  }
}

TEST(LineTest, WhoLeavesIsNotServed) {
  Line line(RoomFor(10, 10));
  auto stays = From("a"), leaves = From("a");
  ASSERT_TRUE(line.Join(leaves).ok());
  ASSERT_TRUE(line.Join(stays).ok());
  EXPECT_TRUE(line.Leave(leaves.get()));
  EXPECT_FALSE(line.Leave(leaves.get()));
  EXPECT_EQ(Take(line), stays);
}

TEST(LineTest, WhoRejoinsIsNextAlthoughItIsFull) {
  Line line(RoomFor(2, 2));
  auto first = From("a"), second = From("a"), third = From("a");
  ASSERT_TRUE(line.Join(first).ok());
  ASSERT_TRUE(line.Join(second).ok());
  std::vector<WaiterPtr> taken = line.Next(absl::InfinitePast(), absl::InfiniteDuration());
  ASSERT_TRUE(line.Join(third).ok());
  line.Rejoin(std::move(taken));
  EXPECT_EQ(Take(line), first);
}

TEST(LineTest, ClosedItServesWhoWaitsAndTakesNobodyNew) {
  Line line(RoomFor(10, 10));
  auto waits = From("a");
  ASSERT_TRUE(line.Join(waits).ok());
  line.Close();
  EXPECT_EQ(ReasonOf(line.Join(From("a"))), "DRAINING");
  EXPECT_EQ(Take(line, absl::InfiniteFuture()), waits);
  EXPECT_EQ(Take(line, absl::InfiniteFuture()), nullptr);
  EXPECT_FALSE(line.AwaitDemand());
}

TEST(LineTest, AnArrivalWakesOneWhoWaits) {
  Line line(RoomFor(10, 10));
  auto next = std::async(std::launch::async, [&line] { return Take(line, absl::InfiniteFuture()); });
  auto arrives = From("a");
  ASSERT_TRUE(line.Join(arrives).ok());
  EXPECT_EQ(next.get(), arrives);
}

TEST(LineTest, DemandIsMoreCallsThanThreadsThatWait) {
  Line line(RoomFor(10, 10));
  auto demand = std::async(std::launch::async, [&line] { return line.AwaitDemand(); });
  ASSERT_TRUE(line.Join(From("a")).ok());
  EXPECT_TRUE(demand.get());
}

// Whoever was woken for it finds nobody, and must not be taken for one who is still coming.
TEST(LineTest, ACallThatLeavesAtOnceKeepsNobodyFromBeingTaken) {
  Line line(RoomFor(10, 10));
  const WaiterPtr last = From("a");
  auto taker = std::async(std::launch::async, [&line, &last] {
    for (;;) {
      const WaiterPtr taken = Take(line, absl::Now() + absl::Minutes(2));
      if (taken == nullptr || taken == last) return taken;
    }
  });
  for (int i = 0; i < 1000; ++i) {
    const WaiterPtr hasty = From("a");
    ASSERT_TRUE(line.Join(hasty).ok());
    line.Leave(hasty.get());
    std::this_thread::yield();
  }
  ASSERT_TRUE(line.Join(last).ok());
  EXPECT_EQ(taker.wait_for(std::chrono::seconds(30)), std::future_status::ready) << "nobody was woken";
  line.Close();
  EXPECT_EQ(taker.get(), last);
}

TEST(LineTest, DestroyedItRefusesWhoIsLeft) {
  auto left = From("a");
  {
    Line line(RoomFor(10, 10));
    ASSERT_TRUE(line.Join(left).ok());
  }
  EXPECT_EQ(left->Refusal().reason, "DRAINING");
}

class Sociable : public TestWaiter {
 public:
  Sociable(const std::string& caller, const Company& company, absl::Time deadline = absl::InfiniteFuture())
      : TestWaiter(caller, deadline), company_(company) {}
  Company company() const override { return company_; }

 private:
  const Company company_;
};

WaiterPtr Reader(const std::string& caller, uint64_t content, uint64_t key = 1,
                 absl::Duration work = absl::ZeroDuration()) {
  return std::make_shared<Sociable>(caller, Company{key, content, work, absl::ZeroDuration()});
}

TEST(LineTest, WhoseTimeIsShortGoesAlone) {
  Line line(RoomFor(10, 10));
  const auto with = [](absl::Duration left) {
    return std::make_shared<Sociable>("a", Company{1, 0, absl::ZeroDuration(), absl::Seconds(1)}, absl::Now() + left);
  };
  const std::vector<WaiterPtr> waiters = {with(absl::Hours(1)), with(absl::Milliseconds(900)), with(absl::Hours(1))};
  for (const WaiterPtr& waiter : waiters) ASSERT_TRUE(line.Join(waiter).ok());
  EXPECT_EQ(line.Next(absl::Now(), absl::Milliseconds(3)), (std::vector<WaiterPtr>{waiters[0], waiters[2]}));
  EXPECT_EQ(line.Next(absl::Now(), absl::Milliseconds(3)), (std::vector<WaiterPtr>{waiters[1]}));
}

TEST(LineTest, ThoseThatMayGoTogetherDo) {
  Line line(RoomFor(10, 10));
  const std::vector<WaiterPtr> readers = {Reader("a", 1), Reader("a", 2), Reader("a", 3)};
  const WaiterPtr writer = From("a"), other = Reader("b", 1), another_kind = Reader("a", 1, /*key=*/2);
  for (const WaiterPtr& waiter : {readers[0], writer, readers[1], other, another_kind, readers[2]}) {
    ASSERT_TRUE(line.Join(waiter).ok());
  }
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::InfiniteDuration()), readers);
  // Never with another caller, nor with another kind.
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::InfiniteDuration()), std::vector<WaiterPtr>{other});
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::InfiniteDuration()), std::vector<WaiterPtr>{writer});
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::InfiniteDuration()), std::vector<WaiterPtr>{another_kind});
}

TEST(LineTest, WhoTakesOneGetsOne) {
  Line line(RoomFor(10, 10));
  const WaiterPtr first = Reader("a", 1), second = Reader("a", 2);
  ASSERT_TRUE(line.Join(first).ok());
  ASSERT_TRUE(line.Join(second).ok());
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::ZeroDuration()), std::vector<WaiterPtr>{first});
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::ZeroDuration()), std::vector<WaiterPtr>{second});
}

// A flight ends with the first deadline among those who share it.
TEST(LineTest, WhoseTimeIsAlmostUpFliesAlone) {
  Line line(RoomFor(10, 10));
  const absl::Time soon = absl::Now() + absl::Minutes(3);
  const auto hasty = [soon](uint64_t content) {
    return std::make_shared<Sociable>("a", Company{1, content, absl::ZeroDuration(), absl::ZeroDuration()}, soon);
  };
  const WaiterPtr first = Reader("a", 1), second = hasty(2), third = Reader("a", 3), fourth = hasty(4);
  for (const WaiterPtr& waiter : {first, second, third, fourth}) ASSERT_TRUE(line.Join(waiter).ok());
  const absl::Duration work_max = absl::Minutes(1);
  EXPECT_EQ(line.Next(absl::InfinitePast(), work_max), (std::vector<WaiterPtr>{first, third}));
  EXPECT_EQ(line.Next(absl::InfinitePast(), work_max), std::vector<WaiterPtr>{second});
  EXPECT_EQ(line.Next(absl::InfinitePast(), work_max), std::vector<WaiterPtr>{fourth});
}

// They run one after the other; on other connections they would run at the same time.
TEST(LineTest, ACompanyHasNoMoreWorkThanItIsWorth) {
  Line line(RoomFor(10, 10));
  std::vector<WaiterPtr> readers;
  for (int i = 1; i <= 6; ++i) readers.push_back(Reader("a", i, /*key=*/1, absl::Milliseconds(1)));
  for (const WaiterPtr& reader : readers) ASSERT_TRUE(line.Join(reader).ok());
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::Milliseconds(3)),
            std::vector<WaiterPtr>(readers.begin(), readers.begin() + 3));
  // One that is more than that by itself is served all the same.
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::Microseconds(1)), std::vector<WaiterPtr>{readers[3]});
  // Those that ask for the same are one.
  ASSERT_TRUE(line.Join(Reader("a", 5, /*key=*/1, absl::Milliseconds(1))).ok());
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::Milliseconds(2)).size(), 3u);
}

TEST(LineTest, ACompanyHasItsLimitsButThoseWhoAskForTheSameAreOne) {
  Line::Options options = RoomFor(100, 100);
  options.company_max = 2;
  Line line(options);
  for (const uint64_t content : {1, 2, 1, 2, 3, 1}) ASSERT_TRUE(line.Join(Reader("a", content)).ok());
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::InfiniteDuration()).size(), 4u);
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::InfiniteDuration()).size(), 2u);
}

TEST(LineTest, ACompanyIsBoundedInBytes) {
  Line::Options options = RoomFor(100, 100);
  options.company_bytes_max = 250;
  Line line(options);
  for (const uint64_t content : {1, 2, 3}) ASSERT_TRUE(line.Join(Reader("a", content)).ok());
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::InfiniteDuration()).size(), 2u);
}

TEST(LineTest, ACompanyThatComesBackIsInItsOrder) {
  Line line(RoomFor(10, 10));
  const std::vector<WaiterPtr> readers = {Reader("a", 1), Reader("a", 2), Reader("a", 3)};
  for (const WaiterPtr& reader : readers) ASSERT_TRUE(line.Join(reader).ok());
  line.Rejoin(line.Next(absl::InfinitePast(), absl::InfiniteDuration()));
  EXPECT_EQ(line.Next(absl::InfinitePast(), absl::InfiniteDuration()), readers);
}

}  // namespace
}  // namespace sluice::admission
