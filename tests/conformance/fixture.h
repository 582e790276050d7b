#ifndef SLUICE_TESTS_CONFORMANCE_FIXTURE_H_
#define SLUICE_TESTS_CONFORMANCE_FIXTURE_H_

#include <memory>
#include <string>

#include "client/cpp/database.h"
#include "gtest/gtest.h"
#include "server/base/error.h"
#include "tests/support/direct.h"
#include "tests/support/gateway.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

namespace sluice {

// A gateway behind which are a PgBouncer in transaction mode and a PostgreSQL, as most
// users have it; started once for each test program. Tests go through the public client.
class ConformanceTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (postgres_ != nullptr) return;
    postgres_ = new testing_support::PostgresServer;
    pgbouncer_ = new testing_support::PgBouncer(*postgres_, testing_support::PgBouncer::Options());
    gateway_ = new testing_support::Gateway(pgbouncer_->Url());
    // Stopped in the order of their dependence, also when a test fails.
    std::atexit([] {
      delete gateway_;
      delete pgbouncer_;
      delete postgres_;
    });
  }

  void SetUp() override { db_ = std::make_unique<client::Database>(gateway_->Client()); }

  client::Database& db() { return *db_; }
  // PostgreSQL itself.
  testing_support::Direct Direct() { return testing_support::Direct(postgres_->ConnectionString()); }

  // Every test ends with a working gateway that has leaked nothing: no transaction is open.
  void TearDown() override {
    absl::StatusOr<client::Result> works = db_->Execute("SELECT 1");
    EXPECT_TRUE(works.ok()) << works.status();
    testing_support::Direct direct(postgres_->ConnectionString());
    EXPECT_EQ(direct.Value("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"), "0");
  }

  static testing_support::PostgresServer* postgres_;
  static testing_support::PgBouncer* pgbouncer_;
  static testing_support::Gateway* gateway_;

 private:
  std::unique_ptr<client::Database> db_;
};

inline testing_support::PostgresServer* ConformanceTest::postgres_ = nullptr;
inline testing_support::PgBouncer* ConformanceTest::pgbouncer_ = nullptr;
inline testing_support::Gateway* ConformanceTest::gateway_ = nullptr;

// "ok", or the reason of the error.
template <typename T>
std::string Reason(const absl::StatusOr<T>& result) {
  if (result.ok()) return "ok";
  const std::string reason = ReasonOf(result.status());
  return reason.empty() ? result.status().ToString() : reason;
}

}  // namespace sluice

#endif  // SLUICE_TESTS_CONFORMANCE_FIXTURE_H_
