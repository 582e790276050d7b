// Describe: what a statement would return, without running it.

#include <string>

#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

class DescribeTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    Direct().Run(
        "DROP TABLE IF EXISTS described; CREATE TABLE described (id int PRIMARY KEY, price numeric(12,2)); "
        "INSERT INTO described VALUES (1, 2)");
  }

  absl::StatusOr<v1::DescribeResponse> Describe(const std::string& sql, bool plan = false) {
    return db().Describe(client::Statement(sql), plan);
  }
};

TEST_F(DescribeTest, TheColumnsAreThoseOfExecute) {
  for (const char* sql :
       {"SELECT id, price, id AS id, now() AS at, ARRAY[1] AS list FROM described -- a comment", "VALUES (1, 'x');",
        "TABLE described", "WITH d AS (SELECT * FROM described) SELECT d.*, pg_sleep(0) FROM d ORDER BY 1"}) {
    const absl::StatusOr<v1::DescribeResponse> described = Describe(sql);
    ASSERT_TRUE(described.ok()) << described.status();
    EXPECT_TRUE(described->columns_known());
    EXPECT_EQ(described->info().round_trips(), 1);
    const absl::StatusOr<client::Result> result = db().Execute(sql);
    ASSERT_EQ(described->columns_size(), result->proto().columns_size()) << sql;
    for (int i = 0; i < described->columns_size(); ++i) {
      EXPECT_EQ(described->columns(i).DebugString(), result->proto().columns(i).DebugString());
    }
  }
}

TEST_F(DescribeTest, NothingRuns) {
  Direct().Run("DROP SEQUENCE IF EXISTS drawn; CREATE SEQUENCE drawn");
  for (const char* sql :
       {"SELECT nextval('drawn')", "SELECT * FROM described WHERE nextval('drawn') > 0", "DELETE FROM described",
        "WITH gone AS (DELETE FROM described RETURNING id) SELECT * FROM gone", "SELECT id INTO made FROM described",
        "SELECT id FROM described FOR UPDATE", "INSERT INTO described VALUES (nextval('drawn'), 1) RETURNING id"}) {
    const absl::StatusOr<v1::DescribeResponse> described = Describe(sql, /*plan=*/true);
    ASSERT_TRUE(described.ok()) << sql << described.status();
    EXPECT_NE(described->plan_json(), "") << sql;
  }
  EXPECT_EQ(Direct().Value("SELECT is_called FROM drawn"), "f");
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM described"), "1");
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM pg_class WHERE relname = 'made'"), "0");
}

TEST_F(DescribeTest, SaysWhatItCanNotKnow) {
  const struct {
    const char* sql;
    bool columns_known, looks_read_only;
  } cases[] = {{"SELECT 1", true, true},
               {"DELETE FROM described", true, false},
               {"DELETE FROM described RETURNING id", false, false},
               {"WITH gone AS (DELETE FROM described RETURNING id) SELECT * FROM gone", false, false},
               {"SHOW work_mem", false, true},
               {"CREATE TABLE never (n int)", false, false}};
  for (const auto& one : cases) {
    const absl::StatusOr<v1::DescribeResponse> described = Describe(one.sql);
    ASSERT_TRUE(described.ok()) << one.sql << described.status();
    EXPECT_EQ(described->columns_known(), one.columns_known) << one.sql;
    EXPECT_TRUE(one.columns_known || described->columns().empty()) << one.sql;
    EXPECT_EQ(described->looks_read_only(), one.looks_read_only) << one.sql;
  }
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM pg_class WHERE relname = 'never'"), "0");
}

TEST_F(DescribeTest, ParametersMayBeLeftOut) {
  const absl::StatusOr<v1::DescribeResponse> described =
      Describe("SELECT price FROM described WHERE id = $2 AND $1 > 0");
  ASSERT_TRUE(described.ok()) << described.status();
  EXPECT_EQ(described->parameter_count(), 2);
  EXPECT_EQ(described->columns(0).type_name(), "numeric(12,2)");
  const auto given = db().Describe(client::Statement("SELECT $1 AS given", int64_t{5}));
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(given->columns(0).kind(), v1::COLUMN_KIND_INT64);
  EXPECT_EQ(Reason(db().Describe(client::Statement("SELECT $1, $2", 1))), "PARAMETER_COUNT");
}

// There the lexer would not see where a string ends, and what is behind it would run.
TEST_F(DescribeTest, AServerThatReadsStringsDifferentlyRunsNothingEither) {
  Direct().Run("DROP DATABASE IF EXISTS old_strings");
  Direct().Run("CREATE DATABASE old_strings");
  Direct().Run("ALTER DATABASE old_strings SET standard_conforming_strings = off");
  const testing_support::Gateway gateway(postgres_->Url("old_strings"));
  const char* hidden = "SELECT '\\'') AS a; COMMIT; CREATE TABLE made_in_secret (n int); SELECT * FROM (SELECT 1 --'";
  for (const bool plan : {false, true}) {
    EXPECT_EQ(Reason(gateway.Client().Describe(client::Statement(hidden), plan)), "AMBIGUOUS_STRING");
  }
  testing_support::Direct direct(postgres_->ConnectionString("old_strings"));
  EXPECT_EQ(direct.Value("SELECT count(*) FROM pg_class WHERE relname = 'made_in_secret'"), "0");
}

TEST_F(DescribeTest, ErrorsAreThoseOfExecute) {
  for (const char* sql :
       {"SELECT nothing FROM described", "SELECT 1 +", "SELECT 1) AS a, (SELECT 2", "DELETE FROM nowhere",
        "SELECT 1; SELECT 2", "BEGIN", "", "INSERT INTO described (x) VALUES (1)"}) {
    const absl::StatusOr<v1::DescribeResponse> described = Describe(sql);
    const ErrorFacts facts = FactsOf(described.status()), executed = FactsOf(db().Execute(sql).status());
    EXPECT_EQ(facts.reason, executed.reason) << sql;
    EXPECT_EQ(facts.metadata, executed.metadata) << sql;
  }
}

}  // namespace
}  // namespace sluice
