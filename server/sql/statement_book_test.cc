#include "server/sql/statement_book.h"

#include <future>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/base/error.h"

namespace sluice::sql {
namespace {

TEST(StatementBookTest, ReadsATextOnce) {
  StatementBook book;
  const auto first = book.Read("SELECT $1", true), again = book.Read("SELECT $1", true);
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(*first, *again);
  EXPECT_EQ((*first)->facts.placeholders.size(), 1u);
}

TEST(StatementBookTest, WhatIsRightWithParametersIsNotSoWithout) {
  StatementBook book;
  ASSERT_TRUE(book.Read("SELECT $1", true).ok());
  EXPECT_EQ(ReasonOf(book.Read("SELECT $1", false).status()), "PARAMETER_COUNT");
  EXPECT_EQ(ReasonOf(book.Read("SELECT $1", false).status()), "PARAMETER_COUNT");
}

// The text of a call does not live as long as what is known of it.
TEST(StatementBookTest, KeepsATextOfItsOwn) {
  StatementBook book;
  std::string text = "SELECT 'first'";
  const auto first = book.Read(text, false);
  text = "SELECT 'other'";
  const auto other = book.Read(text, false);
  ASSERT_TRUE(first.ok() && other.ok());
  EXPECT_NE(*first, *other);
  EXPECT_EQ(*book.Read("SELECT 'first'", false), *first);
}

TEST(StatementBookTest, ForgetsWhatCameLongAgoAndNotWhatIsInUse) {
  StatementBook book;
  const auto used = book.Read("SELECT 'used'", false), unused = book.Read("SELECT 'unused'", false);
  ASSERT_TRUE(used.ok() && unused.ok());
  std::weak_ptr<KnownStatement> forgotten = *unused;
  for (int i = 0; i < 20000; ++i) {
    ASSERT_TRUE(book.Read(absl::StrCat("SELECT ", i), false).ok());
    if (i % 1000 == 0) {
      EXPECT_EQ(*book.Read("SELECT 'used'", false), *used);
    }
  }
  EXPECT_EQ(forgotten.use_count(), 1) << "nobody but the test has it";
}

TEST(StatementBookTest, DoesNotGrowWithLargeTexts) {
  StatementBook book;
  std::vector<std::weak_ptr<KnownStatement>> read;
  for (int i = 0; i < 1000; ++i) {
    const auto known = book.Read(absl::StrCat("SELECT ", i, ", '", std::string(60000, 'x'), "'"), false);
    ASSERT_TRUE(known.ok());
    read.push_back(*known);
  }
  size_t bytes = 0;
  for (const auto& known : read) bytes += known.expired() ? 0 : 60000;
  EXPECT_LE(bytes, size_t{16} << 20);
  const auto huge = book.Read(absl::StrCat("SELECT '", std::string(100000, 'x'), "'"), false);
  EXPECT_EQ(huge->use_count(), 1);
}

TEST(StatementBookTest, IsReadByManyAtOnce) {
  StatementBook book;
  std::vector<std::future<void>> readers;
  for (int i = 0; i < 4; ++i) {
    readers.push_back(std::async(std::launch::async, [&book] {
      for (int n = 0; n < 20000; ++n) {
        const auto known = book.Read(absl::StrCat("SELECT ", n % 7000), false);
        ASSERT_TRUE(known.ok());
        (*known)->cost.Record(absl::Microseconds(n));
      }
    }));
  }
  for (auto& reader : readers) reader.get();
}

TEST(StatementCostTest, WhatIsNotKnownIsNotCheap) {
  StatementCost cost;
  EXPECT_FALSE(cost.is_cheap());
  cost.Record(absl::Milliseconds(1));
  EXPECT_TRUE(cost.is_cheap());
  // One slow run says little, many say all.
  cost.Record(absl::Milliseconds(10));
  EXPECT_TRUE(cost.is_cheap());
  for (int i = 0; i < 40; ++i) cost.Record(absl::Milliseconds(10));
  EXPECT_FALSE(cost.is_cheap());
}

TEST(StatementCostTest, ASlowOneIsNotTakenForQuickAmongOthers) {
  StatementCost slow, quick;
  slow.Record(absl::Milliseconds(9));
  quick.Record(absl::Milliseconds(1));
  RecordTogether({&slow, &quick}, absl::Milliseconds(10));
  EXPECT_EQ(slow.typical(), absl::Milliseconds(9));
  EXPECT_EQ(quick.typical(), absl::Milliseconds(1));
}

// A crowd of calls with one text: each has an equal part, and the last is recorded like the first.
TEST(StatementCostTest, ManyOfOneTextCostWhatTheyTake) {
  StatementCost cost;
  cost.Record(absl::Milliseconds(1));
  const std::vector<StatementCost*> crowd(32, &cost);
  RecordTogether(crowd, 32 * absl::Milliseconds(5));
  EXPECT_GT(cost.typical(), absl::Milliseconds(1));
  EXPECT_LE(cost.typical(), absl::Milliseconds(5));
  RecordTogether(crowd, 32 * absl::Microseconds(500));
  EXPECT_EQ(cost.typical(), absl::Microseconds(500));
}

}  // namespace
}  // namespace sluice::sql
