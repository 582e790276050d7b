// The same gateway works unchanged against PostgreSQL itself and PgBouncer in every mode,
// keeps JIT off everywhere, and leaves nothing behind in a session.

#include <signal.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

using testing_support::Direct;
using testing_support::Gateway;
using testing_support::PgBouncer;
using testing_support::PostgresServer;

// direct, or PgBouncer's pool_mode.
class PoolersTest : public testing::TestWithParam<std::string> {
 protected:
  // JIT as eager as it can be.
  PostgresServer postgres_{{"jit = on", "jit_above_cost = 0"}};
  std::unique_ptr<PgBouncer> pgbouncer_ = [this]() -> std::unique_ptr<PgBouncer> {
    if (GetParam() == "direct") return nullptr;
    PgBouncer::Options options;
    options.pool_mode = GetParam();
    options.default_pool_size = 2;
    return std::make_unique<PgBouncer>(postgres_, options);
  }();
  std::string url() const { return pgbouncer_ == nullptr ? postgres_.Url() : pgbouncer_->Url(); }
};

// EXPLAIN ANALYZE shows a JIT section if the statement was compiled.
bool WasCompiled(const client::Database& db) {
  absl::StatusOr<client::Result> plan =
      db.Execute("EXPLAIN (ANALYZE, FORMAT TEXT) SELECT sum(i) FROM generate_series(1, 10000) i");
  EXPECT_TRUE(plan.ok()) << plan.status();
  std::string text;
  if (plan.ok()) {
    for (client::Row row : *plan) absl::StrAppend(&text, *row.Get<std::string>(0), "\n");
  }
  EXPECT_TRUE(absl::StrContains(text, "Aggregate")) << text;
  return absl::StrContains(text, "JIT:");
}

TEST_P(PoolersTest, KeepsJitOffInEveryFlight) {
  {
    const Gateway keeps_off(url());
    EXPECT_FALSE(WasCompiled(keeps_off.Client()));
    EXPECT_EQ(*keeps_off.Client().Execute("SELECT current_setting('jit')")->Scalar<std::string>(), "off");
  }
  // The proof proves something: without a strategy it is compiled.
  const Gateway leaves_on(url(), {"--jit_strategy=none"});
  EXPECT_TRUE(WasCompiled(leaves_on.Client()));
}

TEST_P(PoolersTest, RelyOnTheRolesJitSettingOnlyWhereNobodyElseCanChangeIt) {
  Direct(postgres_.ConnectionString()).Run("ALTER ROLE postgres SET jit = off");
  if (pgbouncer_ != nullptr) {
    // Backends that the pooler has opened already began without it.
    pgbouncer_->Stop(SIGTERM);
    pgbouncer_->Start();
  }
  const Gateway gateway(url(), {"--log_format=json", "--pool_size=1"});
  EXPECT_FALSE(WasCompiled(gateway.Client()));
  const char* strategy = pgbouncer_ == nullptr ? "\"jit\":\"role\"" : "\"jit\":\"prefix\"";
  EXPECT_TRUE(gateway.Logs(strategy)) << gateway.log();
  if (pgbouncer_ == nullptr) return;
  Direct(pgbouncer_->ConnectionString()).Run("SELECT set_config('jit', 'on', false)");
  EXPECT_FALSE(WasCompiled(gateway.Client()));
}

TEST_P(PoolersTest, AJitSettingThatAnotherClientLeftDoesNotCount) {
  if (pgbouncer_ == nullptr) return;
  // asyncpg does this by itself, on whichever backend it happens to have.
  Direct other(pgbouncer_->ConnectionString());
  other.Run("SELECT set_config('jit', 'off', false)");
  const Gateway gateway(url(), {"--log_format=json", "--pool_size=1"});
  EXPECT_FALSE(WasCompiled(gateway.Client()));
  other.Run("SELECT set_config('jit', 'on', false)");
  EXPECT_FALSE(WasCompiled(gateway.Client()));
}

// A statement may raise any text under any code; it does not speak for a pooler by that.
TEST_P(PoolersTest, AStatementCanNotSpeakForThePooler) {
  Direct(postgres_.ConnectionString()).Run("CREATE TABLE done (n int)");
  const Gateway gateway(url());
  client::Database::Options once;
  once.target = gateway.address();
  once.retries_max = 0;
  const client::Database db = *client::Database::Open(once);
  const absl::StatusOr<client::Result> forged = db.Execute(
      "DO $$ BEGIN INSERT INTO done VALUES (1); COMMIT; RAISE EXCEPTION 'checkout timeout' USING ERRCODE = '58000'; "
      "END $$");
  EXPECT_EQ(OutcomeOf(forged.status()), v1::OUTCOME_UNKNOWN) << forged.status();
  EXPECT_EQ(Direct(postgres_.ConnectionString()).Value("SELECT count(*) FROM done"), "1");

  EXPECT_FALSE(
      db.Execute("DO $$ BEGIN RAISE EXCEPTION 'multi-statement queries cannot mix SET with other commands' USING "
                 "ERRCODE = '42601'; END $$")
          .ok());
  const absl::StatusOr<client::Result> limit =
      db.Execute("SELECT current_setting('statement_timeout') <> '0', current_setting('jit')");
  ASSERT_TRUE(limit.ok()) << limit.status();
  EXPECT_TRUE(*(*limit)[0].Get<bool>(0)) << "the prelude is gone";
  EXPECT_EQ(*(*limit)[0].Get<std::string>(1), "off");
}

TEST_P(PoolersTest, LeavesNothingBehindInTheSession) {
  const Gateway gateway(url(), {"--pool_size=1"});
  client::CallOptions options;
  options.read_only = true;
  options.transaction.set_isolation(v1::TransactionOptions::SERIALIZABLE);
  ASSERT_TRUE(gateway.Client().Execute(client::Statement("SELECT 1"), options).ok());
  EXPECT_FALSE(gateway.Client().Execute(client::Statement("SELECT 1/0"), options).ok());
  // A CALL flies without prelude: it sees the session as it was left.
  Direct(postgres_.ConnectionString())
      .Run(
          "CREATE PROCEDURE left_behind(INOUT found text) LANGUAGE sql AS $$ SELECT coalesce(string_agg(name || '=' || "
          "setting, ' '), 'nothing') FROM pg_settings WHERE source = 'session' AND name NOT IN ('application_name', "
          "'client_encoding') AND name NOT LIKE 'transaction\\_%' $$");
  EXPECT_EQ(*gateway.Client().Execute("CALL left_behind(NULL)")->Scalar<std::string>(), "nothing");
  absl::StatusOr<client::Result> own = gateway.Client().Execute(
      "SELECT current_setting('transaction_read_only') || ' ' || current_setting('transaction_isolation')");
  EXPECT_EQ(*own->Scalar<std::string>(), "off read committed");
}

TEST_P(PoolersTest, FindsOutWhetherAPoolerIsInThePath) {
  const Gateway gateway(url(), {"--log_format=json"});
  ASSERT_TRUE(gateway.AwaitReady());
  const std::string wanted = pgbouncer_ == nullptr ? "\"pooler\":false" : "\"pooler\":true";
  EXPECT_TRUE(gateway.Logs(wanted)) << gateway.log();
}

TEST_P(PoolersTest, SendsNoStartupOptionThatAPoolerWouldRefuse) {
  // PGOPTIONS of the environment would travel as one.
  setenv("PGOPTIONS", "-c jit=off", 1);
  const Gateway gateway(url());
  unsetenv("PGOPTIONS");
  EXPECT_TRUE(gateway.AwaitReady()) << gateway.log();
}

TEST_P(PoolersTest, CallsMoreThanConnectionsAllSucceed) {
  const Gateway gateway(url(), {"--pool_size=2"});
  const client::Database db = gateway.Client();
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) failures += db.Execute("SELECT $1 + 1", k).ok() ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
}

int ConnectionsOpened(const Gateway& gateway) {
  const std::string log = gateway.log();
  int opened = 0;
  for (size_t at = log.find("connection_opened"); at != std::string::npos; at = log.find("connection_opened", at + 1)) {
    ++opened;
  }
  return opened;
}

TEST_P(PoolersTest, NullModeOpensAFreshConnectionForEveryCall) {
  const Gateway gateway(url(), {"--pool_mode=null", "--log_format=json"});
  ASSERT_TRUE(gateway.AwaitReady());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(gateway.Client().Execute("SELECT 1").ok());
  // One for health at least, and one for each call.
  EXPECT_TRUE(testing_support::Eventually([&] { return ConnectionsOpened(gateway) >= 4; })) << gateway.log();
  if (pgbouncer_ != nullptr) return;
  // Health asks again from time to time, since no connection is there that could tell.
  const int before = ConnectionsOpened(gateway);
  EXPECT_TRUE(testing_support::Eventually([&] { return ConnectionsOpened(gateway) > before; }));
}

INSTANTIATE_TEST_SUITE_P(All, PoolersTest, testing::Values("direct", "transaction", "session", "statement"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace sluice
