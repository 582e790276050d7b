// sluice shell: as somebody who types sees it, and as a script does.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"
#include "tests/support/sluice_command.h"
#include "tests/support/temp_dir.h"
#include "tests/support/terminal.h"

namespace sluice {
namespace {

using testing_support::Ended;
using testing_support::Terminal;

class ShellTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    Direct().Run(
        "DROP TABLE IF EXISTS notes CASCADE; CREATE TABLE notes (id int PRIMARY KEY, note text DEFAULT 'none')");
  }

  std::unique_ptr<Terminal> Open(const std::string& pager = "less -RS") {
    return std::make_unique<Terminal>(std::vector<std::string>{"client/cli/sluice", "shell"},
                                      std::map<std::string, std::string>{{"SLUICE_TARGET", gateway_->address()},
                                                                         {"SLUICE_HISTORY", home_.File("history")},
                                                                         {"PAGER", pager},
                                                                         {"HOME", home_.path()},
                                                                         {"TERM", "xterm"}});
  }
  Ended Script(const std::string& text) { return testing_support::RunSluice({"shell"}, gateway_->address(), "", text); }

  testing_support::TempDir home_;
};

TEST_F(ShellTest, AStatementMayHaveManyLines) {
  const auto shell = Open();
  EXPECT_TRUE(shell->Shows("sluice> "));
  shell->Type("SELECT 40 +\n");
  EXPECT_TRUE(shell->Shows("-> "));
  shell->Type("2 AS \"the; answer\";\n");
  EXPECT_TRUE(shell->Shows("the; answer")) << shell->screen();
  EXPECT_TRUE(shell->Shows("42")) << shell->screen();
  EXPECT_TRUE(shell->Shows("(1 row)"));
  ASSERT_TRUE(shell->Shows("sluice> "));
  shell->Type("\\q\n");
  EXPECT_EQ(shell->Wait(), 0) << shell->screen();
}

TEST_F(ShellTest, WhatWasTypedBeforeIsKept) {
  {
    const auto shell = Open();
    ASSERT_TRUE(shell->Shows("sluice> "));
    shell->Type("SELECT 'remembered';\n");
    EXPECT_TRUE(shell->Shows("(1 row)"));
    ASSERT_TRUE(shell->Shows("sluice> "));
    EXPECT_EQ(shell->Wait("\x15\x04"), 0) << shell->screen();
  }
  const auto shell = Open();
  ASSERT_TRUE(shell->Shows("sluice> "));
  shell->Type("\x1b[A\n");
  EXPECT_TRUE(shell->Shows("(1 row)")) << shell->screen();
}

TEST_F(ShellTest, CtrlCCancelsWhatRunsAndForgetsWhatIsTyped) {
  const auto shell = Open();
  ASSERT_TRUE(shell->Shows("sluice> "));
  shell->Type("SELECT pg_sleep(1000);\n");
  ASSERT_TRUE(testing_support::Eventually([this] {
    return Direct().Value(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1000)%' AND state = "
               "'active' AND pid <> pg_backend_pid()") == "1";
  }));
  shell->Type("\x03");
  EXPECT_TRUE(shell->Shows("Cancelled")) << shell->screen();
  ASSERT_TRUE(shell->Shows("sluice> "));
  shell->Type("SELECT (\n");
  ASSERT_TRUE(shell->Shows("-> "));
  shell->Type("\x03");
  ASSERT_TRUE(shell->Shows("sluice> "));
  shell->Type("SELECT 'still here';\n");
  EXPECT_TRUE(shell->Shows("(1 row)")) << shell->screen();
}

TEST_F(ShellTest, ThePromptTellsOfTheTransaction) {
  const auto shell = Open();
  ASSERT_TRUE(shell->Shows("sluice> "));
  shell->Type("\\begin\n");
  ASSERT_TRUE(shell->Shows("sluice*> "));
  shell->Type("INSERT INTO notes VALUES (1);\n");
  ASSERT_TRUE(shell->Shows("INSERT 1"));
  ASSERT_TRUE(shell->Shows("sluice*> "));
  shell->Type("SAVEPOINT here; INSERT INTO notes VALUES (1);\n");
  ASSERT_TRUE(shell->Shows("UNIQUE_VIOLATION"));
  ASSERT_TRUE(shell->Shows("sluice!> "));
  shell->Type("ROLLBACK TO here;\n");
  ASSERT_TRUE(shell->Shows("sluice*> "));
  shell->Type("\\commit\n");
  ASSERT_TRUE(shell->Shows("COMMIT"));
  ASSERT_TRUE(shell->Shows("sluice> "));
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM notes"), "1");
}

TEST_F(ShellTest, LongAnswersArePaged) {
  const auto shell = Open();
  ASSERT_TRUE(shell->Shows("sluice> "));
  // Rows without an end: what is not looked at is not made.
  shell->Type("SELECT generate_series(1, 1000000000) AS n;\n");
  EXPECT_TRUE(shell->Shows(" 20")) << shell->screen();
  EXPECT_TRUE(shell->Shows(":")) << shell->screen();
  shell->Type("q");
  ASSERT_TRUE(shell->Shows("sluice> ")) << shell->screen();
  EXPECT_TRUE(testing_support::Eventually([this] {
    return Direct().Value(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1000000000) AS n%' AND state = "
               "'active' AND pid <> pg_backend_pid()") == "0";
  }));
}

// What is pasted is what is run.
TEST_F(ShellTest, TabsAreAPartOfWhatIsTyped) {
  const auto shell = Open();
  ASSERT_TRUE(shell->Shows("sluice> "));
  shell->Type("SELECT length('a\tb')\tAS\ttabbed;\n");
  EXPECT_TRUE(shell->Shows("tabbed\r\n"));
  EXPECT_TRUE(shell->Shows("3")) << shell->screen();
}

// Who leaves the pager ends the statement: whatever it would have written is told to be in doubt.
TEST_F(ShellTest, WhoLeavesThePagerIsToldWhatThatMayMean) {
  Direct().Run(
      "CREATE OR REPLACE FUNCTION note(i int) RETURNS int LANGUAGE sql AS 'INSERT INTO notes VALUES (i); SELECT i'");
  const auto shell = Open();
  ASSERT_TRUE(shell->Shows("sluice> "));
  shell->Type("SELECT note(i) FROM generate_series(1, 300000) i;\n");
  ASSERT_TRUE(shell->Shows(" 20")) << shell->screen();
  shell->Type("q");
  EXPECT_TRUE(shell->Shows("may have been rolled back")) << shell->screen();
}

TEST_F(ShellTest, CtrlCInThePagerDoesNotEndATransaction) {
  const auto shell = Open();
  ASSERT_TRUE(shell->Shows("sluice> "));
  shell->Type("BEGIN; INSERT INTO notes VALUES (1); SELECT generate_series(1, 100) AS n;\n");
  ASSERT_TRUE(shell->Shows(" 20")) << shell->screen();
  shell->Type("\x03");
  ASSERT_TRUE(shell->Shows("sluice*> ", "q")) << shell->screen();
  // A q too many.
  shell->Type("\x15");
  shell->Type("COMMIT;\n");
  ASSERT_TRUE(shell->Shows("COMMIT\r\n")) << shell->screen();
  ASSERT_TRUE(shell->Shows("sluice> "));
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM notes"), "1");
}

TEST_F(ShellTest, APagerThatIsNotThereSwallowsNothing) {
  const auto shell = Open("nosuchpager --really");
  ASSERT_TRUE(shell->Shows("sluice> "));
  shell->Type("SELECT generate_series(1, 100) AS n;\n");
  EXPECT_TRUE(shell->Shows("(100 rows)")) << shell->screen();
}

// A file runs up to its first error, whatever was typed before it, and what it has in it is nobody's history.
TEST_F(ShellTest, FilesAreRunUpToTheirFirstError) {
  const std::string inner =
      home_.Write("inner", "INSERT INTO notes VALUES (1);\nSELECT nope;\nINSERT INTO notes VALUES (2);\n");
  const std::string outer = home_.Write("outer", absl::StrCat("\\i ", inner, "\nINSERT INTO notes VALUES (3);\n"));
  const auto shell = Open();
  ASSERT_TRUE(shell->Shows("sluice> "));
  shell->Type("SELECT nothing;\n");
  ASSERT_TRUE(shell->Shows("UNDEFINED_COLUMN"));
  ASSERT_TRUE(shell->Shows("sluice> "));
  shell->Type(absl::StrCat("\\i ", outer, "\n"));
  ASSERT_TRUE(shell->Shows("UNDEFINED_COLUMN")) << shell->screen();
  ASSERT_TRUE(shell->Shows("sluice> "));
  EXPECT_EQ(Direct().Value("SELECT string_agg(id::text, ' ') FROM notes"), "1");
  EXPECT_FALSE(absl::StrContains(testing_support::ReadFile(home_.File("history")), "INSERT"));
}

TEST_F(ShellTest, AScriptEndsWithItsFirstError) {
  const Ended good = Script(
      "\\timing off\nINSERT INTO notes VALUES (1, 'a;b');\nBEGIN; DELETE FROM notes; ROLLBACK;\n"
      "SELECT note FROM notes");
  EXPECT_EQ(good.exit_code, 0);
  EXPECT_TRUE(absl::EndsWith(good.output, " note\n------\n a;b\n(1 row)\n")) << good.output;
  const Ended bad = Script("SELECT 1 / 0;\nINSERT INTO notes VALUES (2);\n");
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(bad.output, "DIVISION_BY_ZERO")) << bad.output;
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM notes"), "1");
  const Ended open = Script("BEGIN; INSERT INTO notes VALUES (3);\n");
  EXPECT_EQ(open.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(open.output, "rolled back")) << open.output;
  // The body of a routine is not for now.
  EXPECT_EQ(
      Script("CREATE OR REPLACE FUNCTION forget() RETURNS int LANGUAGE sql BEGIN ATOMIC\nDELETE FROM notes;\nSELECT "
             "1;\nEND;\n")
          .output,
      "CREATE FUNCTION\n");
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM notes"), "1");
  EXPECT_EQ(testing_support::RunSluice({"shell"}, "unix:/nonexistent", "", "SELECT 1;").exit_code, 3);
}

TEST_F(ShellTest, ItTellsWhatIsThere) {
  const Ended ended =
      Script("\\d\n\\d notes\n\\dn\n\\df nothing\n\\du\n\\x on\nSELECT 1 AS a, 'b' AS longer;\n\\?\n\\ping\n");
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  for (const char* part : {" public | notes | table ", " note   | text    |          | 'none'::text\n", "notes_pkey",
                           "-[ 1 ]-\na      | 1\nlonger | b\n", "\\timing", "PostgreSQL 15"}) {
    EXPECT_TRUE(absl::StrContains(ended.output, part)) << part << ended.output;
  }
  EXPECT_EQ(Script("\\nonsense\n").exit_code, 1);
  EXPECT_TRUE(absl::StrContains(Script("\\d nowhere\n").output, "UNDEFINED_TABLE"));
}

TEST_F(ShellTest, AGatewayWithOneConnectionWillDo) {
  const testing_support::Gateway narrow(pgbouncer_->Url(), {"--pool_size=1"});
  const Ended ended = testing_support::RunSluice({"shell"}, narrow.address(), "", "SELECT 1 AS one;\n");
  EXPECT_EQ(ended.output, " one\n-----\n   1\n(1 row)\n");
}

}  // namespace
}  // namespace sluice
