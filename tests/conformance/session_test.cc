// A session serves calls only as long as it is what it was: what somebody changed in it, its age
// and its idleness end it, and no call notices.

#include <atomic>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::Gateway;

class SessionTest : public ConformanceTest {};

// In SJIS the second byte of a character can be a quote or a backslash: whoever binds UTF-8 there
// can be made to open a string.
TEST_F(SessionTest, OneWhoseEncodingChangedBindsNothing) {
  for (const std::string& url : {postgres_->Url(), pgbouncer_->Url()}) {
    const Gateway gateway(url, {"--pool_size=1", "--log_format=json"});
    const client::Database db = gateway.Client();
    for (int round = 0; round < 3; ++round) {
      ASSERT_TRUE(db.Execute("DO $$ BEGIN SET client_encoding = 'SJIS'; END $$").ok());
      const std::string hostile = u8"テ\\' || pg_sleep(0) || 'テ";
      const absl::StatusOr<client::Result> result = db.Execute("SELECT $1::text", hostile);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(*result->Scalar<std::string>(), hostile);
    }
    EXPECT_TRUE(gateway.Logs("how it reads and writes values, was changed")) << gateway.log();
  }
}

TEST_F(SessionTest, OneWhoseDateStyleChangedIsReplaced) {
  const Gateway gateway(postgres_->Url(), {"--pool_size=1"});
  const client::Database db = gateway.Client();
  ASSERT_TRUE(db.Execute("DO $$ BEGIN SET datestyle = 'German'; END $$").ok());
  const absl::StatusOr<client::Result> day = db.Execute("SELECT '2026-08-22'::date");
  EXPECT_EQ(*day->Scalar<absl::CivilDay>(), absl::CivilDay(2026, 8, 22));
}

// CALL flies without prelude, so a role's own DateStyle is in force.
TEST_F(SessionTest, ADateInAnotherFormIsNotTakenForOne) {
  Direct().Run(
      "CREATE ROLE german LOGIN; ALTER ROLE german SET datestyle = 'German';"
      "CREATE PROCEDURE today(INOUT d date) LANGUAGE sql AS 'SELECT date ''2026-08-22'''");
  const Gateway gateway(postgres_->Url("postgres", "german"));
  const client::Database db = gateway.Client();
  EXPECT_EQ(*db.Execute("SELECT '2026-08-22'::date")->Scalar<absl::CivilDay>(), absl::CivilDay(2026, 8, 22));
  const absl::StatusOr<client::Result> called = db.Execute("CALL today(NULL)");
  ASSERT_TRUE(called.ok()) << called.status();
  EXPECT_EQ(called->proto().columns(0).kind(), v1::COLUMN_KIND_OTHER);
  EXPECT_EQ(*called->Scalar<std::string>(), "22.08.2026");
}

TEST_F(SessionTest, ARoleThatRoundsFloatsGetsAllTheirDigits) {
  Direct().Run("CREATE ROLE rounder LOGIN; ALTER ROLE rounder SET extra_float_digits = 0");
  const Gateway gateway(postgres_->Url("postgres", "rounder"));
  EXPECT_EQ(*gateway.Client().Execute("SELECT 0.1::float8 + 0.2::float8")->Scalar<double>(), 0.1 + 0.2);
}

TEST_F(SessionTest, OneThatIsTooOldIsReplaced) {
  const Gateway gateway(postgres_->Url(), {"--pool_size=1", "--connection_age_max=1s", "--log_format=json"});
  const client::Database db = gateway.Client();
  std::atomic<bool> seen{false};
  std::thread caller([&] {
    while (!seen) EXPECT_EQ(Reason(db.Execute("SELECT 1")), "ok");
  });
  EXPECT_TRUE(gateway.Logs("\"why\":\"too old\"")) << gateway.log();
  seen = true;
  caller.join();
}

TEST_F(SessionTest, OneThatNobodyNeedsIsClosedButForAWarmOne) {
  const Gateway gateway(postgres_->Url(), {"--pool_size=4", "--pool_warm=1", "--connection_idle_max=1s",
                                           "--log_format=json", "--application_name=idle_test"});
  const client::Database db = gateway.Client();
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) callers.emplace_back([&db] { EXPECT_TRUE(db.Execute("SELECT pg_sleep(0.3)").ok()); });
  for (std::thread& caller : callers) caller.join();
  const auto sessions = [this] {
    return Direct().Value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'idle_test'");
  };
  EXPECT_NE(sessions(), "1");
  EXPECT_TRUE(Eventually([&] { return sessions() == "1"; }));
  EXPECT_TRUE(gateway.Logs("\"why\":\"idle\"")) << gateway.log();
}

TEST_F(SessionTest, EchoSqlLogsStatementsAndNeverValues) {
  const Gateway gateway(pgbouncer_->Url(), {"--echo_sql", "--log_format=json"});
  ASSERT_TRUE(gateway.Client().Execute("SELECT $1::text", "a secret value").ok());
  EXPECT_TRUE(gateway.Logs("SELECT $1::text")) << gateway.log();
  EXPECT_FALSE(absl::StrContains(gateway.log(), "a secret value"));
}

// A DBA's limit for a role is not lifted by the gateway.
TEST_F(SessionTest, TheRolesOwnTimeLimitHolds) {
  Direct().Run("CREATE ROLE hasty LOGIN; ALTER ROLE hasty SET statement_timeout = '300ms'");
  const Gateway gateway(postgres_->Url("postgres", "hasty"));
  const absl::Status status = gateway.Client().Execute("SELECT pg_sleep(60)").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_EQ(OutcomeOf(status), v1::OUTCOME_ROLLED_BACK);
  EXPECT_TRUE(absl::StrContains(status.message(), "300ms")) << status;
}

// A function may raise the code of VACUUM and its like, which fly without prelude and limits.
TEST_F(SessionTest, WhatOnlyLooksLikeVacuumIsNotRunAgainWithoutPrelude) {
  Direct().Run(
      "CREATE SEQUENCE calls; CREATE FUNCTION pretends() RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
      "  PERFORM nextval('calls'); RAISE SQLSTATE '25001' USING MESSAGE = 'not in a transaction'; END $$");
  EXPECT_EQ(SqlStateOf(db().Execute("SELECT pretends()").status()), "25001");
  EXPECT_EQ(Direct().Value("SELECT last_value FROM calls"), "1");
}

// SELECT rules beside a statement give rows before its own.
TEST_F(SessionTest, RulesBesideAStatementDoNotConfuseIt) {
  Direct().Run(
      "CREATE TABLE ruled (n int);"
      "CREATE RULE one AS ON INSERT TO ruled DO ALSO SELECT 'one'; CREATE RULE two AS ON INSERT TO ruled DO ALSO "
      "SELECT 'two', 2");
  const absl::StatusOr<client::Result> alone = db().Execute("INSERT INTO ruled VALUES (1)");
  ASSERT_TRUE(alone.ok()) << alone.status();
  EXPECT_EQ(alone->affected_rows(), 1);
  const auto batch = db().ExecuteAtomic(
      {client::Statement("INSERT INTO ruled VALUES (2)"), client::Statement("SELECT count(*) FROM ruled")});
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(*(*batch)[1].Scalar<int64_t>(), 2);
}

// No string of Protobuf may hold it: clients would refuse the whole answer, after the commit.
TEST_F(SessionTest, WhatIsNotUtf8ComesAsBytes) {
  const auto results = db().ExecuteAtomic(
      {client::Statement("SELECT set_config('client_' || 'encoding', 'LATIN1', true)"),
       client::Statement("SELECT v, 1 FROM (VALUES ('café', 1), (NULL, 2), ('plain', 3)) t(v, n) ORDER BY n")});
  ASSERT_TRUE(results.ok()) << results.status();
  const client::Result& rows = (*results)[1];
  EXPECT_EQ(rows.proto().columns(0).kind(), v1::COLUMN_KIND_BYTES);
  EXPECT_EQ(*rows[0].Get<std::string>(0), "caf\xe9");
  EXPECT_EQ(*rows[1].Get<std::optional<std::string>>(0), std::nullopt);
  EXPECT_EQ(*rows[2].Get<std::string>(0), "plain");
  EXPECT_EQ(*rows[0].Get<int32_t>(1), 1);
}

}  // namespace
}  // namespace sluice
