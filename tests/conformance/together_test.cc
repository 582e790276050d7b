// Plain reads of one caller that wait for a connection share a flight: each its own result and
// its own error, and nobody can tell but by the facts about the call.

#include <signal.h>

#include <atomic>
#include <functional>
#include <future>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/conformance/company.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/scripted_server.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::FaultProxy;
using testing_support::ScriptedServer;

class TogetherTest : public CompanyTest {
 protected:
  // The same calls, waiting for a pooler that is silent meanwhile. `before_it_speaks` may give it
  // something to say to them, `to_the_busy_one` to the call that they wait for.
  std::vector<Answer> WhileSilent(
      ScriptedServer* pooler, const std::function<void()>& before_it_speaks = [] {},
      const std::function<void()>& to_the_busy_one = [] {}) {
    Introduce(client::Statement("SELECT $1::int", 0));
    ScriptedServer::Manners manners = pooler->manners();
    manners.is_silent = true;
    pooler->Behave(manners);
    to_the_busy_one();
    const int received = pooler->times_received("SELECT 'busy'");
    auto busy = std::async(std::launch::async, [this] { return Db().Execute("SELECT 'busy'"); });
    EXPECT_TRUE(Eventually([&] { return pooler->times_received("SELECT 'busy'") > received; }));
    std::vector<client::Statement> statements;
    for (int i = 0; i < 4; ++i) statements.emplace_back("SELECT $1::int", i);
    const auto speak = [&] {
      before_it_speaks();
      manners.is_silent = false;
      pooler->Behave(manners);
    };
    std::vector<Answer> answers = WaitingUntil(speak, statements);
    busy_ = busy.get();
    EXPECT_TRUE(busy_.ok()) << busy_.status();
    return answers;
  }

  // Whom they waited for.
  Answer busy_ = absl::UnknownError("not called");
};

TEST_F(TogetherTest, EachHasItsOwnResultInOneRoundTrip) {
  StartGatewayFor(20);
  Introduce(client::Statement("SELECT $1 + 1", 0));
  std::vector<client::Statement> statements;
  for (int i = 0; i < 20; ++i) statements.emplace_back("SELECT $1 + 1", i);
  const std::vector<Answer> answers = WhileBusy(statements);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(answers[i].ok()) << answers[i].status();
    EXPECT_EQ(*answers[i]->Scalar<int32_t>(), i + 1);
    EXPECT_EQ(answers[i]->info().flight_statements(), 20);
    EXPECT_EQ(answers[i]->info().round_trips(), 1);
  }
}

TEST_F(TogetherTest, ThoseThatAskForTheSameAreRunOnce) {
  StartGatewayFor(10);
  Introduce(client::Statement("SELECT clock_timestamp()"));
  const std::vector<Answer> answers =
      WhileBusy(std::vector<client::Statement>(10, client::Statement("SELECT clock_timestamp()")));
  std::set<absl::Time> times;
  int consolidated = 0;
  for (const Answer& answer : answers) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    times.insert(*answer->Scalar<absl::Time>());
    consolidated += answer->info().source() == v1::CallInfo::CONSOLIDATED ? 1 : 0;
  }
  EXPECT_EQ(times.size(), 1u);
  EXPECT_EQ(consolidated, 9);
}

// One flight, and yet nobody gets another one's.
TEST_F(TogetherTest, EachDrawsItsOwnLot) {
  StartGatewayFor(10);
  const client::Statement draw("SELECT gen_random_uuid()::text");
  Introduce(draw);
  std::set<std::string> drawn;
  for (const Answer& answer : WhileBusy(std::vector<client::Statement>(10, draw))) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    drawn.insert(*answer->Scalar<std::string>());
    EXPECT_EQ(answer->info().flight_statements(), 10);
    EXPECT_EQ(answer->info().source(), v1::CallInfo::DATABASE);
  }
  EXPECT_EQ(drawn.size(), 10u);
}

TEST_F(TogetherTest, AnErrorIsOnlyTheCallsThatMadeIt) {
  StartGatewayFor(10);
  Introduce(client::Statement("SELECT 100 / $1", 1));
  std::vector<client::Statement> statements;
  for (int i = 0; i < 10; ++i) statements.emplace_back("SELECT 100 / $1", i == 4 ? 0 : i + 1);
  const std::vector<Answer> answers = WhileBusy(statements);
  int shared = 0;
  for (int i = 0; i < 10; ++i) {
    if (i == 4) {
      EXPECT_EQ(Reason(answers[i]), "DIVISION_BY_ZERO");
      EXPECT_EQ(FactsOf(answers[i].status()).outcome, v1::OUTCOME_ROLLED_BACK);
    } else {
      ASSERT_TRUE(answers[i].ok()) << answers[i].status();
      EXPECT_EQ(*answers[i]->Scalar<int32_t>(), 100 / (i + 1));
      shared += answers[i]->info().flight_statements() > 1 || answers[i]->info().attempts() > 1 ? 1 : 0;
    }
  }
  EXPECT_EQ(shared, 9);
}

TEST_F(TogetherTest, AWrongValueIsOnlyTheCallsThatMadeIt) {
  StartGatewayFor(3);
  Introduce(client::Statement("SELECT $1::int", 1));
  // Known to be quick by the same text with a value that makes it right.
  const std::vector<Answer> answers =
      WhileBusy({client::Statement("SELECT $1::int", 1), client::Statement("SELECT $1::int", "x"),
                 client::Statement("SELECT $1::int", 3)});
  EXPECT_EQ(*answers[0]->Scalar<int32_t>(), 1);
  EXPECT_EQ(Reason(answers[1]), "INVALID_TEXT_REPRESENTATION");
  EXPECT_EQ(FactsOf(answers[1].status()).metadata.at("parameterIndex"), "1");
  EXPECT_EQ(*answers[2]->Scalar<int32_t>(), 3);
}

TEST_F(TogetherTest, ASlowStatementFliesAlone) {
  StartGatewayFor(6);
  ASSERT_TRUE(Db().Execute("SELECT pg_sleep(0.2), $1::int", 0).ok());
  Introduce(client::Statement("SELECT $1::int", 0));
  std::vector<client::Statement> statements;
  for (int i = 0; i < 3; ++i) {
    statements.emplace_back("SELECT pg_sleep(0.2), $1::int", i);
    statements.emplace_back("SELECT $1::int", i);
  }
  const std::vector<Answer> answers = WhileBusy(statements);
  for (size_t i = 0; i < answers.size(); ++i) {
    ASSERT_TRUE(answers[i].ok()) << answers[i].status();
    EXPECT_EQ(answers[i]->info().flight_statements(), i % 2 == 0 ? 1 : 3);
  }
}

TEST_F(TogetherTest, WhatIsNotKnownYetFliesAlone) {
  StartGatewayFor(4);
  std::vector<client::Statement> statements;
  for (int i = 0; i < 4; ++i) statements.emplace_back(absl::StrCat("SELECT ", i, ", 'never seen'"));
  for (const Answer& answer : WhileBusy(statements)) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->info().flight_statements(), 1);
  }
}

TEST_F(TogetherTest, WritesAndCallsThatWantToBeAloneAre) {
  Direct().Run("DROP TABLE IF EXISTS counted; CREATE TABLE counted (n int)");
  StartGatewayFor(4);
  Introduce(client::Statement("SELECT $1::int", 0));
  client::CallOptions alone;
  alone.alone = true;
  for (const Answer& answer :
       WhileBusy(std::vector<client::Statement>(4, client::Statement("SELECT $1::int", 1)), alone)) {
    EXPECT_EQ(answer->info().flight_statements(), 1);
    EXPECT_EQ(answer->info().source(), v1::CallInfo::DATABASE);
  }
  const std::vector<Answer> writes =
      WhileBusy(std::vector<client::Statement>(4, client::Statement("INSERT INTO counted VALUES (1)")));
  for (const Answer& answer : writes) EXPECT_EQ(answer->info().flight_statements(), 1);
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM counted"), "4");
}

// There a read that was told may be taken back by what fails behind it.
TEST_F(TogetherTest, OnlyReadCommittedIsShared) {
  Direct().Run("ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'");
  StartGatewayFor(4, {}, postgres_->Url());
  Introduce(client::Statement("SELECT 1"));
  for (const Answer& answer : WhileBusy(std::vector<client::Statement>(4, client::Statement("SELECT 1")))) {
    EXPECT_EQ(answer->info().flight_statements(), 1);
  }
  Direct().Run("ALTER DATABASE postgres RESET default_transaction_isolation");
}

TEST_F(TogetherTest, AnOperatorCanSwitchItOff) {
  StartGatewayFor(4, {"--flight_statements_max=1"});
  Introduce(client::Statement("SELECT 1"));
  for (const Answer& answer : WhileBusy(std::vector<client::Statement>(4, client::Statement("SELECT 1")))) {
    EXPECT_EQ(answer->info().flight_statements(), 1);
    EXPECT_EQ(answer->info().source(), v1::CallInfo::DATABASE);
  }
}

// No syntax tells that a view writes. In a shared flight it would be undone by another one's
// error, or done once for several calls.
TEST_F(TogetherTest, AHiddenWriteIsDoneOnceForEachCall) {
  Direct().Run(
      "DROP TABLE IF EXISTS visits CASCADE; CREATE TABLE visits (n int);"
      "CREATE OR REPLACE FUNCTION visit() RETURNS int LANGUAGE sql AS 'INSERT INTO visits VALUES (1) RETURNING n';"
      "CREATE OR REPLACE VIEW guestbook AS SELECT visit() AS n");
  StartGatewayFor(6);
  Introduce(client::Statement("SELECT n FROM guestbook"));
  Introduce(client::Statement("SELECT 1 / $1", 1));
  Direct().Run("DELETE FROM visits");
  std::vector<client::Statement> statements;
  for (int i = 0; i < 3; ++i) {
    statements.emplace_back("SELECT n FROM guestbook");
    statements.emplace_back("SELECT 1 / $1", i == 1 ? 0 : 1);
  }
  const std::vector<Answer> answers = WhileBusy(statements);
  for (size_t i = 0; i < answers.size(); i += 2) EXPECT_EQ(*answers[i]->Scalar<int32_t>(), 1);
  EXPECT_EQ(Reason(answers[3]), "DIVISION_BY_ZERO");
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM visits"), "3");
}

TEST_F(TogetherTest, AConnectionThatBreaksInMidFlightCostsNoRead) {
  FaultProxy network(postgres_->socket_directory() + "/.s.PGSQL.5432");
  StartGatewayFor(8, {}, network.Url());
  Introduce(client::Statement("SELECT $1 * 2", 1));
  std::vector<client::Statement> statements;
  for (int i = 0; i < 8; ++i) statements.emplace_back("SELECT $1 * 2", i);
  // The answer to the shared flight is cut off behind its first results.
  network.CutBefore(FaultProxy::Way::kToClient,
                    "\x01"
                    "8");
  const std::vector<Answer> answers = WhileBusy(statements);
  int again = 0;
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(answers[i].ok()) << answers[i].status();
    EXPECT_EQ(*answers[i]->Scalar<int32_t>(), 2 * i);
    again += answers[i]->info().attempts() > 1 ? 1 : 0;
  }
  EXPECT_GT(again, 0);
}

// A function may do anything, such as set what the statements behind it in its transaction read.
TEST_F(TogetherTest, WhatAFunctionSetsReachesNoOtherCall) {
  Direct().Run(
      "CREATE OR REPLACE FUNCTION leave_a_trace() RETURNS text LANGUAGE sql AS "
      "$$ SELECT set_config('app.trace', 'left', true) $$");
  StartGatewayFor(12);
  const client::Statement sets("SELECT leave_a_trace()"),
      reads("SELECT coalesce(current_setting('app.trace', true), '')");
  Introduce(sets);
  Introduce(reads);
  std::vector<client::Statement> statements;
  for (int i = 0; i < 12; ++i) statements.push_back(i % 2 == 0 ? sets : reads);
  const std::vector<Answer> answers = WhileBusy(statements);
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(answers[i].ok()) << answers[i].status();
    EXPECT_EQ(*answers[i]->Scalar<std::string>(), i % 2 == 0 ? "left" : "");
  }
}

// What a pooler says instead of an answer is no statement's, whatever it calls its position.
TEST_F(TogetherTest, APoolerThatRefusesAFlightCostsNoRead) {
  ScriptedServer pooler;
  StartGatewayFor(4, {}, pooler.Url());
  const std::vector<Answer> answers = WhileSilent(&pooler, [&pooler] {
    // To the next message, with which the calls come.
    pooler.SayOnce(ScriptedServer::When::kInQueue,
                   {"FATAL", "08P01", "query_wait_timeout", /*hangs_up=*/true, /*position=*/100});
  });
  for (const Answer& answer : answers) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->info().flight_statements(), 4);
  }
}

// Its first flight may have done something, so it must not hear of another flight's error as its own.
TEST_F(TogetherTest, AReadThatIsMadeAgainSharesNoFlight) {
  ScriptedServer pooler;
  StartGatewayFor(4, {}, pooler.Url());
  Introduce(client::Statement("SELECT 'busy'"));
  const auto interrupt = [&pooler] {
    pooler.SayOnce(ScriptedServer::When::kAfterPrelude, {"FATAL", "57P01", "terminating connection"});
  };
  const std::vector<Answer> answers = WhileSilent(
      &pooler, [] {}, interrupt);
  ASSERT_TRUE(busy_.ok());
  EXPECT_EQ(busy_->info().attempts(), 2);
  EXPECT_EQ(busy_->info().flight_statements(), 1);
  for (const Answer& answer : answers) EXPECT_TRUE(answer.ok()) << answer.status();
}

// What will not pass is not tried in the same way for ever.
TEST_F(TogetherTest, APoolerThatTakesNoSharedFlightGetsNone) {
  ScriptedServer pooler;
  StartGatewayFor(4, {}, pooler.Url());
  const std::vector<Answer> answers = WhileSilent(&pooler, [&pooler] {
    pooler.SayOnce(ScriptedServer::When::kInQueue, {"FATAL", "08P01", "PQexec disallowed"});
  });
  for (const Answer& answer : answers) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->info().flight_statements(), 1);
  }
}

// A shared flight is READ ONLY, which takes a SET beside its statements; PgDog lets none through.
TEST_F(TogetherTest, WhereNoSetMayStandBesideThemReadsFlyAlone) {
  ScriptedServer pgdog;
  ScriptedServer::Manners manners;
  manners.refuses_set_beside_statements = true;
  pgdog.Behave(manners);
  StartGatewayFor(4, {}, pgdog.Url());
  for (const Answer& answer : WhileSilent(&pgdog)) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->info().flight_statements(), 1);
    EXPECT_EQ(answer->info().attempts(), 1);
  }
}

TEST_F(TogetherTest, AReadSeesEveryWriteThatWasDoneBeforeIt) {
  Direct().Run("DROP TABLE IF EXISTS counter; CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)");
  Direct().Run("CREATE TABLE IF NOT EXISTS gate (n int)");
  StartGateway(pgbouncer_->Url());
  const client::Database db = Db();
  std::atomic<int> written{0};
  std::atomic<bool> stop{false};
  std::atomic<int> stale{0}, merged{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 8; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const int at_least = written;
        const Answer answer = db.Execute("SELECT n FROM counter");
        if (!answer.ok()) continue;
        stale += *answer->Scalar<int32_t>() < at_least ? 1 : 0;
        merged += answer->info().source() == v1::CallInfo::CONSOLIDATED ? 1 : 0;
      }
    });
  }
  for (int i = 1; i <= 200; ++i) {
    ASSERT_TRUE(db.Execute("UPDATE counter SET n = $1", i).ok());
    written = i;
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(stale, 0);
  EXPECT_GT(merged, 0) << "nothing was shared, so nothing was shown";
}

// One caller's cancel, or its short deadline, is not another one's.
TEST_F(TogetherTest, ADeadlineInTheLineIsOnlyTheCallsOwn) {
  StartGatewayFor(6);
  Introduce(client::Statement("SELECT $1::int", 0));
  testing_support::Direct holder(postgres_->ConnectionString());
  auto busy = Occupy(&holder);
  const client::Database db = Db();
  Answers patient, hasty;
  for (int i = 0; i < 3; ++i) {
    patient.push_back(std::async(std::launch::async, [&db, i] { return db.Execute("SELECT $1::int", i); }));
    hasty.push_back(std::async(std::launch::async, [&db, i] {
      client::CallOptions options;
      options.timeout = absl::Milliseconds(100);
      return db.Execute(client::Statement("SELECT $1::int", 10 + i), options);
    }));
  }
  for (auto& answer : hasty) EXPECT_EQ(answer.get().status().code(), absl::StatusCode::kDeadlineExceeded);
  holder.Run("COMMIT");
  EXPECT_TRUE(busy.get().ok());
  for (auto& answer : patient) EXPECT_EQ(Reason(answer.get()), "ok");
}

// It ends the flight that they share, behind somebody's lock; those who have time read again.
TEST_F(TogetherTest, ADeadlineInASharedFlightIsOnlyTheCallsOwn) {
  Direct().Run("DROP TABLE IF EXISTS locked; CREATE TABLE locked (n int)");
  work_max_ = "10ms";
  StartGatewayFor(3);
  Introduce(client::Statement("SELECT count(*) + $1::int FROM locked", -1));
  std::vector<client::Statement> patient;
  for (int i = 0; i < 2; ++i) patient.emplace_back("SELECT count(*) + $1::int FROM locked", i);
  testing_support::Direct gate(postgres_->ConnectionString()), lock(postgres_->ConnectionString());
  lock.Run("BEGIN; LOCK TABLE locked");
  auto busy = Occupy(&gate);
  auto hasty = std::async(std::launch::async, [this] {
    client::CallOptions options;
    options.timeout = absl::Seconds(2);
    for (;;) {
      Answer answer = Db().Execute(client::Statement("SELECT count(*) + $1::int FROM locked", 2), options);
      // The probe had its place.
      if (Reason(answer) != "GATEWAY_OVERLOADED") return answer;
    }
  });
  const auto let_the_hasty_one_end = [&] {
    gate.Run("COMMIT");
    EXPECT_EQ(hasty.get().status().code(), absl::StatusCode::kDeadlineExceeded);
    lock.Run("COMMIT");
  };
  const std::vector<Answer> answers = WaitingUntil(let_the_hasty_one_end, patient);
  EXPECT_TRUE(busy.get().ok());
  for (int i : {0, 1}) {
    ASSERT_TRUE(answers[i].ok()) << answers[i].status();
    EXPECT_EQ(*answers[i]->Scalar<int64_t>(), i);
    // Once together, and once alone.
    EXPECT_EQ(answers[i]->info().attempts(), 2);
  }
}

}  // namespace
}  // namespace sluice
