// What poolers say when they can not go on, each text on the wire, at each point at which it
// may come: the gateway knows what it means for the work, and runs again only what did not run.

#include <cctype>
#include <future>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "server/postgres/fate.h"
#include "tests/conformance/fixture.h"
#include "tests/support/scripted_server.h"

namespace sluice {
namespace {

using postgres::Fate;
using postgres::KnownError;
using testing_support::Gateway;
using testing_support::ScriptedServer;
using When = ScriptedServer::When;

// A row's text as its speaker says it, with something in each gap.
ScriptedServer::Words AsSaid(const KnownError& row) {
  return {"FATAL", std::string(row.sqlstate),
          absl::StrCat(absl::StrReplaceAll(row.text, {{"...", "c1f2 "}}), " (some detail)")};
}

// The client's own retries would blur what the gateway says.
client::Database WithoutRetries(const Gateway& gateway) {
  client::Database::Options once;
  once.target = gateway.address();
  once.retries_max = 0;
  return *client::Database::Open(once);
}

bool NeverPasses(Fate fate) { return fate == Fate::kMisconfigured || fate == Fate::kBadCredentials; }

class CatalogueTest : public testing::TestWithParam<KnownError> {
 protected:
  static void SetUpTestSuite() {
    if (pooler_ != nullptr) return;
    pooler_ = new ScriptedServer;
    gateway_ = new Gateway(pooler_->Url(), {"--pool_size=1"});
    std::atexit([] {
      delete gateway_;
      delete pooler_;
    });
  }

  // A text of its own for each call, to be counted.
  std::string Write() { return absl::StrCat("INSERT INTO effects VALUES (", ++calls_, ")"); }

  static ScriptedServer* pooler_;
  static Gateway* gateway_;
  static int calls_;
};

ScriptedServer* CatalogueTest::pooler_ = nullptr;
Gateway* CatalogueTest::gateway_ = nullptr;
int CatalogueTest::calls_ = 0;

TEST_P(CatalogueTest, InTheQueueItMeansWhatTheRowSays) {
  pooler_->SayOnce(When::kInQueue, AsSaid(GetParam()));
  const std::string write = Write();
  const absl::StatusOr<client::Result> result = WithoutRetries(*gateway_).Execute(write);
  if (GetParam().fate == Fate::kNotRun) {
    EXPECT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(pooler_->times_received(write), 2);
    return;
  }
  EXPECT_EQ(pooler_->times_received(write), 1);
  if (NeverPasses(GetParam().fate)) {
    EXPECT_EQ(Reason(result), "BACKEND_UNREACHABLE");
    EXPECT_EQ(OutcomeOf(result.status()), v1::OUTCOME_NOT_STARTED);
  } else {
    EXPECT_EQ(OutcomeOf(result.status()), v1::OUTCOME_UNKNOWN) << result.status();
  }
}

TEST_P(CatalogueTest, OnceSomethingRanItIsUnknown) {
  for (const When when : {When::kAfterPrelude, When::kBetweenResults}) {
    pooler_->SayOnce(when, AsSaid(GetParam()));
    const std::string write = Write();
    const auto result =
        WithoutRetries(*gateway_).ExecuteAtomic({client::Statement(write), client::Statement("INSERT INTO more")});
    EXPECT_EQ(OutcomeOf(result.status()), v1::OUTCOME_UNKNOWN) << result.status();
    EXPECT_EQ(pooler_->times_received(write), 1);
  }
}

TEST_P(CatalogueTest, AnErrorThatMayHideACommitIsNoVerdict) {
  if (GetParam().speaker == postgres::Speaker::kPostgres || GetParam().fate != Fate::kUnknown) return;
  ScriptedServer::Words words = AsSaid(GetParam());
  words.severity = "ERROR";
  words.hangs_up = false;
  pooler_->SayOnce(When::kAfterPrelude, words);
  const std::string write = Write();
  const absl::StatusOr<client::Result> result = WithoutRetries(*gateway_).Execute(write);
  EXPECT_EQ(OutcomeOf(result.status()), v1::OUTCOME_UNKNOWN) << result.status();
  EXPECT_EQ(pooler_->times_received(write), 1);
}

// The tag of the last statement comes after the commit.
TEST_P(CatalogueTest, BehindTheLastResultItIsLateForAnything) {
  pooler_->SayOnce(When::kAfterResults, AsSaid(GetParam()));
  const std::string write = Write();
  const absl::StatusOr<client::Result> result = WithoutRetries(*gateway_).Execute(write);
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(pooler_->times_received(write), 1);
}

TEST_P(CatalogueTest, AtTheLoginNothingHasRun) {
  ScriptedServer pooler;
  pooler.SayOnce(When::kAtLogin, AsSaid(GetParam()));
  const Gateway gateway(pooler.Url(), {"--pool_size=1"});
  const absl::StatusOr<client::Result> result = WithoutRetries(gateway).Execute("INSERT INTO effects");
  if (NeverPasses(GetParam().fate)) {
    EXPECT_EQ(Reason(result), "BACKEND_UNREACHABLE");
    EXPECT_EQ(OutcomeOf(result.status()), v1::OUTCOME_NOT_STARTED);
    EXPECT_TRUE(absl::StrContains(result.status().message(), AsSaid(GetParam()).message)) << result.status();
  } else {
    EXPECT_TRUE(result.ok()) << result.status();
  }
}

std::vector<KnownError> WhatPoolersSay() {
  std::vector<KnownError> rows;
  for (const KnownError& row : postgres::KnownErrors()) {
    // This one is no end but a request, see below.
    if (!absl::StrContains(row.text, "cannot mix SET")) rows.push_back(row);
  }
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Rows, CatalogueTest, testing::ValuesIn(WhatPoolersSay()), [](const auto& info) {
  std::string name = absl::StrCat(info.index, "_", std::string(info.param.sqlstate), "_");
  for (const char c : info.param.text) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

// PgCat's way: FATAL, and the session goes on.
TEST(PoolerThatGoesOnTest, IsAskedAgainOnANewConnection) {
  ScriptedServer pooler;
  pooler.SayOnce(When::kInQueue, {"FATAL", "58000", "could not get connection from the pool - AllServersDown",
                                  /*hangs_up=*/false});
  const Gateway gateway(pooler.Url());
  const absl::StatusOr<client::Result> result = WithoutRetries(gateway).Execute("INSERT INTO effects");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(pooler.times_received("INSERT INTO effects"), 2);
}

// A backend that is terminated says so at once, and closes its socket some time later.
TEST(SessionThatEndsBehindAnAnswerTest, IsGivenNothingMoreToDo) {
  ScriptedServer server;
  const Gateway gateway(server.Url(), {"--pool_size=1"});
  server.SayOnce(When::kOnceReady, {"FATAL", "57P01", "terminating connection due to administrator command",
                                    /*hangs_up=*/false});
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<client::Result> result = WithoutRetries(gateway).Execute("INSERT INTO effects");
    EXPECT_TRUE(result.ok()) << result.status();
  }
  EXPECT_EQ(server.times_received("INSERT INTO effects"), 2);
}

TEST(PingTest, WritesNothingThatCouldHaveBeenCommitted) {
  ScriptedServer pooler;
  for (int tries = 0; tries < 3; ++tries) {
    pooler.SayOnce(When::kAfterPrelude, {"FATAL", "57P01", "terminating connection due to administrator command"});
  }
  const Gateway gateway(pooler.Url(), {"--pool_warm=0"});
  const absl::StatusOr<v1::PingResponse> ping = WithoutRetries(gateway).Ping();
  EXPECT_EQ(Reason(ping), "BACKEND_UNREACHABLE");
}

TEST(PgDogTest, TakesTheJitSettingAtTheLoginInstead) {
  ScriptedServer pgdog;
  ScriptedServer::Manners manners;
  manners.refuses_set_beside_statements = true;
  pgdog.Behave(manners);
  const Gateway gateway(pgdog.Url(), {"--log_format=json"});
  const client::Database db = WithoutRetries(gateway);
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<client::Result> result = db.Execute("INSERT INTO effects");
    ASSERT_TRUE(result.ok()) << result.status();
  }
  EXPECT_EQ(pgdog.last_message(), "INSERT INTO effects");
  EXPECT_TRUE(gateway.Logs("\"jit\":\"startup\"")) << gateway.log();
  // What needs a SET of its own can not be had there, and says so rather than doing without.
  client::CallOptions options;
  options.read_only = true;
  const absl::StatusOr<client::Result> read_only = db.Execute(client::Statement("SELECT 1"), options);
  EXPECT_EQ(Reason(read_only), "BACKEND_UNREACHABLE");
  EXPECT_TRUE(absl::StrContains(read_only.status().message(), "SET")) << read_only.status();
}

// Those that were opened before it was learned are not left behind.
TEST(PgDogTest, NoConnectionIsLeftWithTheOldWay) {
  ScriptedServer pgdog;
  ScriptedServer::Manners manners;
  manners.refuses_set_beside_statements = true;
  pgdog.Behave(manners);
  const Gateway gateway(pgdog.Url(), {"--pool_size=4", "--pool_warm=4"});
  const client::Database db = WithoutRetries(gateway);
  ASSERT_TRUE(testing_support::Eventually([&gateway] {
    const std::vector<std::string> parts = absl::StrSplit(gateway.log(), "connection_opened");
    return parts.size() > 4;
  }));
  std::vector<std::future<absl::StatusOr<client::Result>>> calls;
  for (int i = 0; i < 20; ++i) {
    calls.push_back(std::async(std::launch::async, [&db] { return db.Execute("INSERT INTO effects"); }));
  }
  for (auto& call : calls) {
    const absl::StatusOr<client::Result> result = call.get();
    EXPECT_TRUE(result.ok()) << result.status();
  }
}

TEST(PgDogTest, ThatTakesNeitherIsReportedAndNotHammered) {
  ScriptedServer pgdog;
  ScriptedServer::Manners manners;
  manners.refuses_set_beside_statements = true;
  manners.refuses_startup_options = true;
  pgdog.Behave(manners);
  const Gateway gateway(pgdog.Url());
  const absl::StatusOr<client::Result> result = WithoutRetries(gateway).Execute("INSERT INTO effects");
  EXPECT_EQ(Reason(result), "BACKEND_UNREACHABLE");
  EXPECT_EQ(OutcomeOf(result.status()), v1::OUTCOME_NOT_STARTED);
  EXPECT_LE(pgdog.times_received("INSERT INTO effects"), 2);
}

}  // namespace
}  // namespace sluice
