// Where the shell sees a statement end, and what it takes for a matter of transactions.

#include "client/cli/shell_input.h"

#include "gtest/gtest.h"

namespace sluice::cli {
namespace {

using Kind = TransactionCommand::Kind;

TEST(TakeStatementTest, ItEndsWherePostgresSeesASemicolon) {
  std::string text = "SELECT ';', \";\", $$;$$ /* ; */ -- ;\n;  SELECT 2";
  EXPECT_EQ(TakeStatement(&text), "SELECT ';', \";\", $$;$$ /* ; */ -- ;\n;");
  EXPECT_EQ(text, "SELECT 2");
  EXPECT_EQ(TakeStatement(&text), std::nullopt);
}

TEST(TakeStatementTest, WhatIsOpenHasNoEnd) {
  for (const char* open :
       {"SELECT 'a;", "SELECT \"a;", "SELECT $x$ ;", "SELECT 1 /* ;", "SELECT (1;", "SELECT 1 -- ;"}) {
    std::string text = open;
    EXPECT_EQ(TakeStatement(&text), std::nullopt) << open;
    EXPECT_EQ(text, open);
  }
}

// The gateway says better what is wrong.
TEST(TakeStatementTest, WhatCanNotBeReadEndsWithItsLine) {
  std::string text = "SELECT $1x;\n";
  EXPECT_EQ(TakeStatement(&text), "SELECT $1x;\n");
  EXPECT_EQ(text, "");
}

TEST(IsBlankTest, CommentsAreNothing) {
  EXPECT_TRUE(IsBlank(" -- nothing\n /* at all */ "));
  EXPECT_FALSE(IsBlank(" -- something\n 1"));
}

TEST(TransactionCommandTest, EachHasItsWords) {
  EXPECT_EQ(ReadTransactionCommand("begin;").kind, Kind::kBegin);
  const TransactionCommand begin = ReadTransactionCommand("START TRANSACTION ISOLATION LEVEL serializable, READ ONLY");
  EXPECT_EQ(begin.options.isolation(), v1::TransactionOptions::SERIALIZABLE);
  EXPECT_TRUE(begin.options.read_only());
  EXPECT_EQ(ReadTransactionCommand("END;").kind, Kind::kCommit);
  EXPECT_EQ(ReadTransactionCommand("commit work;").kind, Kind::kCommit);
  EXPECT_EQ(ReadTransactionCommand("ABORT").kind, Kind::kRollback);
  EXPECT_EQ(ReadTransactionCommand("ROLLBACK TO SAVEPOINT \"A b\";").kind, Kind::kRollbackTo);
  EXPECT_EQ(ReadTransactionCommand("ROLLBACK TO SAVEPOINT \"A b\";").savepoint, "A b");
  EXPECT_EQ(ReadTransactionCommand("SAVEPOINT Here").savepoint, "here");
  EXPECT_EQ(ReadTransactionCommand("RELEASE here").kind, Kind::kRelease);
  for (const char* other : {"SELECT 1", "COMMIT PREPARED 'x'", "COMMIT AND CHAIN", "beginning", "SELECT 'BEGIN'", ""}) {
    EXPECT_EQ(ReadTransactionCommand(other).kind, Kind::kNone) << other;
  }
}

}  // namespace
}  // namespace sluice::cli
