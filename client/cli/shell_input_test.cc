// Where the shell sees a statement end, and what it takes for a matter of transactions.

#include "client/cli/shell_input.h"

#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sluice::cli {
namespace {

using Kind = TransactionCommand::Kind;

// All statements of some lines, and what is left.
std::vector<std::string> Split(const std::vector<std::string>& lines) {
  StatementSplitter splitter;
  std::vector<std::string> parts;
  for (const std::string& line : lines) {
    splitter.AddLine(line);
    while (std::optional<std::string> statement = splitter.Take()) parts.push_back(*statement);
  }
  if (!splitter.is_blank()) parts.push_back("rest: " + splitter.Rest());
  return parts;
}

using Parts = std::vector<std::string>;

TEST(StatementSplitterTest, AStatementEndsWherePostgresSeesASemicolon) {
  EXPECT_EQ(Split({"SELECT ';', \";\", $$;$$ /* ; */ -- ;", ";  SELECT 2; SELECT", "3;"}),
            (Parts{"SELECT ';', \";\", $$;$$ /* ; */ -- ;\n;", "SELECT 2;", "SELECT\n3;"}));
  EXPECT_EQ(Split({"SELECT 'a", ";b", "';"}), (Parts{"SELECT 'a\n;b\n';"}));
  EXPECT_EQ(Split({"SELECT $x$ ;", "$y$ ; $x$;"}), (Parts{"SELECT $x$ ;\n$y$ ; $x$;"}));
}

TEST(StatementSplitterTest, WhatIsOpenHasNoEnd) {
  for (const char* open :
       {"SELECT 'a;", "SELECT \"a;", "SELECT $x$ ;", "SELECT 1 /* ;", "SELECT (1;", "SELECT 1 -- ;"}) {
    EXPECT_EQ(Split({open}), (Parts{std::string("rest: ") + open + "\n"}));
  }
}

// Its statements are not for now.
TEST(StatementSplitterTest, TheBodyOfARoutineIsNotCut) {
  const Parts lines = {"CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC", "DELETE FROM t;",
                       "SELECT CASE WHEN true THEN 1 END;", "END;"};
  EXPECT_EQ(Split(lines), (Parts{lines[0] + "\n" + lines[1] + "\n" + lines[2] + "\n" + lines[3]}));
  EXPECT_EQ(Split({"SELECT CASE WHEN true THEN 1 END; BEGIN; SELECT 1;"}),
            (Parts{"SELECT CASE WHEN true THEN 1 END;", "BEGIN;", "SELECT 1;"}));
}

// The gateway says better what is wrong.
TEST(StatementSplitterTest, WhatCanNotBeReadEndsWithItsLine) {
  EXPECT_EQ(Split({"SELECT $1x;"}), (Parts{"SELECT $1x;\n"}));
}

TEST(StatementSplitterTest, CommentsAreNothing) {
  EXPECT_EQ(Split({" -- nothing", " /* at all */ "}), Parts());
  EXPECT_EQ(Split({" -- something", " 1"}), (Parts{"rest:  -- something\n 1\n"}));
}

// Each part is read once: a second of a thousand times as many lines would take hours if not.
TEST(StatementSplitterTest, ManyLinesTakeNoLongerEach) {
  StatementSplitter splitter;
  splitter.AddLine("INSERT INTO t VALUES (0)");
  for (int i = 0; i < 200000; ++i) {
    splitter.AddLine(", (1, 'some text', 'and more of it')");
    ASSERT_EQ(splitter.Take(), std::nullopt);
  }
  splitter.AddLine("; SELECT '");
  EXPECT_NE(splitter.Take(), std::nullopt);
  for (int i = 0; i < 200000; ++i) {
    splitter.AddLine("in a string;");
    ASSERT_EQ(splitter.Take(), std::nullopt);
  }
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
