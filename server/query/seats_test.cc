#include "server/query/seats.h"

#include <list>
#include <string>

#include "gtest/gtest.h"

namespace sluice::query {
namespace {

class SeatsTest : public testing::Test {
 protected:
  // Whose hashes are the same, whatever they ask for: TakeSeats looks at more than those.
  void Add(const std::string& text, const std::string& identity, const std::string& as_written = "") {
    Plan& plan = plans_.emplace_back();
    plan.statements.resize(1);
    plan.statements[0].bound.text = text;
    plan.statements[0].caller_text = &texts_.emplace_back(as_written.empty() ? text : as_written);
    plan.identity = identity;
    plan.sharing = Sharing::kReads;
    plan.company = 1;
    plan.content = 1;
    Companion companion;
    companion.plan = &plan;
    companion.token = &tokens_.emplace_back();
    companions_.push_back(companion);
  }

  std::list<Plan> plans_;
  std::list<std::string> texts_;
  std::list<CancelToken> tokens_;
  std::vector<Companion> companions_;
};

TEST_F(SeatsTest, ThoseThatAskForTheSameShareASeat) {
  Add("SELECT 1", "");
  Add("SELECT 1", "");
  const Seating seating = TakeSeats(&companions_);
  ASSERT_EQ(seating.seats.size(), 1u);
  EXPECT_EQ(seating.seats[0].companions.size(), 2u);
}

TEST_F(SeatsTest, TwoIdentitiesOfOneHashDoNotMeet) {
  Add("SELECT 1", "alice");
  Add("SELECT 1", "bob");
  const Seating seating = TakeSeats(&companions_);
  ASSERT_EQ(seating.seats.size(), 1u);
  EXPECT_EQ(seating.seats[0].companions.size(), 1u);
  ASSERT_EQ(seating.strangers.size(), 1u);
  EXPECT_EQ(seating.strangers[0]->plan->identity, "bob");
}

TEST_F(SeatsTest, TwoTextsOfOneHashHaveSeatsOfTheirOwn) {
  Add("SELECT 1", "");
  Add("SELECT 2", "");
  EXPECT_EQ(TakeSeats(&companions_).seats.size(), 2u);
}

// An error's place is in the caller's text.
TEST_F(SeatsTest, OneStatementWrittenInTwoWaysHasTwoSeats) {
  Add("SELECT 1, 2", "", "SELECT $1, $2");
  Add("SELECT 1, 2", "", "SELECT $2, $1");
  EXPECT_EQ(TakeSeats(&companions_).seats.size(), 2u);
}

TEST_F(SeatsTest, WhoHasLeftHasNoSeat) {
  Add("SELECT 1", "");
  Add("SELECT 1", "");
  tokens_.front().Cancel();
  const Seating seating = TakeSeats(&companions_);
  ASSERT_EQ(seating.seats.size(), 1u);
  EXPECT_EQ(seating.seats[0].companions[0], &companions_[1]);
  EXPECT_EQ(seating.left.size(), 1u);
}

}  // namespace
}  // namespace sluice::query
