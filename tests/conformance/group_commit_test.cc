// Writes of a caller that may do so and that wait for a connection are committed as one: each with
// its own result or its own error, and each done once or not at all.

#include <signal.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/company.h"
#include "tests/support/fault_proxy.h"

namespace sluice {
namespace {

using testing_support::FaultProxy;

class GroupCommitTest : public CompanyTest {
 protected:
  void SetUp() override {
    CompanyTest::SetUp();
    Direct().Run("DROP TABLE IF EXISTS sales; CREATE TABLE sales (n int PRIMARY KEY, id serial)");
  }

  // printf %s token | sha256sum
  static constexpr char kHashOfToken[] = "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0";

  void StartWith(const std::string& permissions, size_t calls, const std::string& url = "",
                 std::vector<std::string> flags = {}) {
    token_ = "token";
    const std::string callers =
        directory_.Write("callers.json", absl::StrCat(R"({"callers": [{"name": "shop", "token_sha256": ")",
                                                      kHashOfToken, R"(", "permissions": [)", permissions, "]}]}"));
    flags.push_back("--callers_file=" + callers);
    StartGatewayFor(calls, flags, url);
  }

  // Known to be quick, by values that no test uses.
  void IntroduceWrite(const std::string& sql) {
    IntroduceEach([&] { return client::Statement(sql, --unused_); });
  }

  static constexpr char kInsert[] = "INSERT INTO sales (n) VALUES ($1) RETURNING n";

  static std::vector<client::Statement> Inserts(int count) {
    std::vector<client::Statement> statements;
    for (int i = 0; i < count; ++i) statements.emplace_back(kInsert, i);
    return statements;
  }

  std::string Sales(const std::string& what) {
    return Direct().Value(absl::StrCat("SELECT ", what, " FROM sales WHERE n >= 0"));
  }

  // For four calls that want the same row; the statement that they make.
  client::Statement StartWithARowToSell(std::vector<std::string> flags) {
    Direct().Run("INSERT INTO sales (n) VALUES (1)");
    StartWith(R"("sql", "group_commit")", 4, "", std::move(flags));
    client::Statement sell("UPDATE sales SET id = id + 1 WHERE n = $1", 1);
    Introduce(sell);
    Direct().Run("UPDATE sales SET id = 0");
    return sell;
  }

  // In the one flight that waits for a lock; empty if none does.
  std::string UpdatesThatWait() {
    return Direct().Value(
        "SELECT max((SELECT count(*) FROM regexp_matches(query, 'UPDATE sales', 'g'))) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock'");
  }

  testing_support::TempDir directory_;
  int unused_ = 0;
};

TEST_F(GroupCommitTest, WritesThatWaitAreOneTransaction) {
  StartWith(R"("sql", "group_commit")", 10);
  IntroduceWrite(kInsert);
  const std::vector<Answer> answers = WhileBusy(Inserts(10));
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(answers[i].ok()) << answers[i].status();
    EXPECT_EQ(*answers[i]->Scalar<int32_t>(), i);
    EXPECT_EQ(answers[i]->info().flight_statements(), 10);
    EXPECT_EQ(answers[i]->info().round_trips(), 1);
  }
  EXPECT_EQ(Sales("count(*)"), "10");
  EXPECT_EQ(Sales("count(DISTINCT xmin::text)"), "1");
}

TEST_F(GroupCommitTest, WithoutThePermissionEachIsATransactionOfItsOwn) {
  StartWith(R"("sql")", 5);
  IntroduceWrite(kInsert);
  for (const Answer& answer : WhileBusy(Inserts(5))) EXPECT_EQ(answer->info().flight_statements(), 1);
  EXPECT_EQ(Sales("count(DISTINCT xmin::text)"), "5");
}

TEST_F(GroupCommitTest, OneThatWantsToBeAloneIs) {
  StartWith(R"("sql", "group_commit")", 5);
  IntroduceWrite(kInsert);
  client::CallOptions alone;
  alone.alone = true;
  for (const Answer& answer : WhileBusy(Inserts(5), alone)) EXPECT_EQ(answer->info().flight_statements(), 1);
  EXPECT_EQ(Sales("count(DISTINCT xmin::text)"), "5");
}

TEST_F(GroupCommitTest, AnErrorIsOnlyTheCallsThatMadeIt) {
  StartWith(R"("sql", "group_commit")", 6);
  IntroduceWrite(kInsert);
  Direct().Run("INSERT INTO sales (n) VALUES (3)");
  const std::vector<Answer> answers = WhileBusy(Inserts(6));
  for (int i = 0; i < 6; ++i) {
    if (i == 3) {
      EXPECT_EQ(Reason(answers[i]), "UNIQUE_VIOLATION");
      EXPECT_EQ(FactsOf(answers[i].status()).outcome, v1::OUTCOME_ROLLED_BACK);
    } else {
      ASSERT_TRUE(answers[i].ok()) << answers[i].status();
      // Once in the group, and once alone.
      EXPECT_EQ(answers[i]->info().attempts(), 2);
      EXPECT_EQ(answers[i]->info().flight_statements(), 1);
    }
  }
  EXPECT_EQ(Sales("count(*)"), "6");
}

// All statements have run by then.
TEST_F(GroupCommitTest, AnErrorOfTheCommitIsOnlyTheCallsThatMadeIt) {
  Direct().Run("ALTER TABLE sales DROP CONSTRAINT sales_pkey, ADD UNIQUE (n) DEFERRABLE INITIALLY DEFERRED");
  StartWith(R"("sql", "group_commit")", 6);
  IntroduceWrite(kInsert);
  Direct().Run("INSERT INTO sales (n) VALUES (3)");
  const std::vector<Answer> answers = WhileBusy(Inserts(6));
  for (int i = 0; i < 6; ++i) {
    ASSERT_EQ(Reason(answers[i]), i == 3 ? "UNIQUE_VIOLATION" : "ok");
    if (i == 3) continue;
    EXPECT_EQ(answers[i]->info().attempts(), 2);
    // Of the transaction that was committed, and nothing of the other one.
    EXPECT_EQ(answers[i]->proto().columns_size(), 1);
    EXPECT_EQ(*answers[i]->Scalar<int32_t>(), i);
  }
  EXPECT_EQ(Sales("count(*)"), "6");
}

// Reads that ask for the same are run once. Writes are not.
TEST_F(GroupCommitTest, TheSameWriteIsDoneForEachCall) {
  Direct().Run("INSERT INTO sales (n, id) VALUES (1, 0)");
  StartWith(R"("sql", "group_commit")", 10);
  const client::Statement sell("UPDATE sales SET id = id + 1 WHERE n = $1", 1);
  Introduce(sell);
  Direct().Run("UPDATE sales SET id = 0");
  for (const Answer& answer : WhileBusy(std::vector<client::Statement>(10, sell))) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->info().source(), v1::CallInfo::DATABASE);
    EXPECT_EQ(answer->info().flight_statements(), 10);
  }
  EXPECT_EQ(Sales("id"), "10");
}

// So that groups on two connections do not wait for each other's rows.
TEST_F(GroupCommitTest, TheyRunInTheOrderOfTheirTexts) {
  StartWith(R"("sql", "group_commit")", 8);
  IntroduceWrite(kInsert);
  std::vector<client::Statement> backwards = Inserts(8);
  std::reverse(backwards.begin(), backwards.end());
  for (const Answer& answer : WhileBusy(backwards)) EXPECT_EQ(answer->info().flight_statements(), 8);
  EXPECT_EQ(Sales("string_agg(n::text, ' ' ORDER BY id)"), "0 1 2 3 4 5 6 7");
}

TEST_F(GroupCommitTest, ReadsHaveAFlightOfTheirOwn) {
  StartWith(R"("sql", "group_commit")", 8);
  IntroduceWrite(kInsert);
  Introduce(client::Statement("SELECT $1::int", 0));
  std::vector<client::Statement> statements = Inserts(5);
  for (int i = 0; i < 3; ++i) statements.emplace_back("SELECT $1::int", i);
  const std::vector<Answer> answers = WhileBusy(statements);
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(answers[i].ok()) << answers[i].status();
    EXPECT_EQ(answers[i]->info().flight_statements(), i < 5 ? 5 : 3);
  }
}

// They may have been committed, or not: nobody is told more than is known, and none is done twice.
TEST_F(GroupCommitTest, WhenTheWayBackBreaksNobodyIsToldThatItWasDone) {
  FaultProxy network(postgres_->socket_directory() + "/.s.PGSQL.5432");
  StartWith(R"("sql", "group_commit")", 5, network.Url());
  IntroduceWrite(kInsert);
  network.CutBefore(FaultProxy::Way::kToClient, "INSERT 0 1");
  const std::vector<Answer> answers = WhileBusy(Inserts(5));
  for (const Answer& answer : answers) {
    EXPECT_EQ(Reason(answer), "OUTCOME_UNKNOWN");
    EXPECT_EQ(FactsOf(answer.status()).outcome, v1::OUTCOME_UNKNOWN);
  }
  const std::string done = Sales("count(*)");
  EXPECT_TRUE(done == "0" || done == "5") << done;
}

// A row that somebody has locked holds up whoever wants it, and nobody beside.
TEST_F(GroupCommitTest, AGroupDoesNotWaitForALock) {
  const client::Statement sell = StartWithARowToSell({});
  testing_support::Direct gate(postgres_->ConnectionString()), row(postgres_->ConnectionString());
  row.Run("BEGIN; SELECT FROM sales FOR UPDATE");
  auto busy = Occupy(&gate);
  const auto let_them_meet = [&] {
    gate.Run("COMMIT");
    EXPECT_TRUE(testing_support::Eventually([this] { return UpdatesThatWait() == "1"; }));
    row.Run("COMMIT");
  };
  for (const Answer& answer : WaitingUntil(let_them_meet, std::vector<client::Statement>(4, sell))) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->info().attempts(), 2);
    EXPECT_EQ(answer->info().flight_statements(), 1);
  }
  EXPECT_TRUE(busy.get().ok());
  EXPECT_EQ(Sales("id"), "4");
}

// The first deadline in it cuts a group short; the others are not told that theirs has passed.
TEST_F(GroupCommitTest, OfADoubtfulGroupOnlyWhoseTimeIsUpHearsOfADeadline) {
  FaultProxy network(postgres_->socket_directory() + "/.s.PGSQL.5432");
  work_max_ = "100ms";
  StartWith(R"("sql", "group_commit")", 3, network.Url());
  IntroduceWrite(kInsert);
  std::vector<client::CallOptions> options(3);
  options[1].timeout = absl::Seconds(3);
  testing_support::Direct gate(postgres_->ConnectionString());
  auto busy = Occupy(&gate);
  const auto lose_the_commit = [&] {
    network.HoldFrom(FaultProxy::Way::kToServer, "INSERT INTO sales");
    gate.Run("COMMIT");
  };
  const std::vector<Answer> answers = WaitingUntil(lose_the_commit, Inserts(3), options);
  // On a machine that is too busy to answer 20 ms before the deadline, gRPC says so itself.
  EXPECT_EQ(answers[1].status().code(), absl::StatusCode::kDeadlineExceeded) << answers[1].status();
  for (const int other : {0, 2}) EXPECT_EQ(Reason(answers[other]), "OUTCOME_UNKNOWN");
  for (const Answer& answer : answers) EXPECT_EQ(FactsOf(answer.status()).outcome, v1::OUTCOME_UNKNOWN);
  EXPECT_TRUE(busy.get().ok());
}

// A row that somebody else has locked does not keep a gateway from ending, nor from saying what
// became of those that waited for it.
TEST_F(GroupCommitTest, ADrainEndsAGroupAndEachHearsOfIt) {
  const client::Statement sell = StartWithARowToSell({"--drain_delay=0s", "--drain_grace=0s"});
  testing_support::Direct gate(postgres_->ConnectionString()), row(postgres_->ConnectionString());
  row.Run("BEGIN; SELECT FROM sales FOR UPDATE");
  auto busy = Occupy(&gate);
  const auto end_while_they_wait = [&] {
    gate.Run("COMMIT");
    EXPECT_TRUE(testing_support::Eventually([this] { return UpdatesThatWait() == "4"; }));
    narrow_->process().Signal(SIGTERM);
  };
  for (const Answer& answer : WaitingUntil(end_while_they_wait, std::vector<client::Statement>(4, sell))) {
    EXPECT_EQ(Reason(answer), "DRAINING");
  }
  EXPECT_TRUE(busy.get().ok());
  row.Run("COMMIT");
  EXPECT_EQ(narrow_->process().Wait(), 0);
  EXPECT_EQ(Sales("id"), "0");
}

}  // namespace
}  // namespace sluice
