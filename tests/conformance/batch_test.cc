// An atomic batch is one transaction in one round trip; an independent one is none.

#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

using client::Statement;

class BatchTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    Direct().Run(
        "DROP TABLE IF EXISTS accounts; CREATE TABLE accounts (id int PRIMARY KEY, balance int CHECK (balance >= 0));"
        "INSERT INTO accounts VALUES (1, 100), (2, 0)");
  }
};

TEST_F(BatchTest, AllOrNothingInOneRoundTrip) {
  absl::StatusOr<std::vector<client::Result>> results = db().ExecuteAtomic(
      {Statement("UPDATE accounts SET balance = balance - $1 WHERE id = $2", 30, 1),
       Statement("UPDATE accounts SET balance = balance + $1 WHERE id = $2 RETURNING balance", 30, 2),
       Statement("SELECT sum(balance) FROM accounts")});
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 3u);
  EXPECT_EQ((*results)[0].affected_rows(), 1);
  EXPECT_EQ(*(*results)[1].Scalar<int32_t>(), 30);
  EXPECT_EQ(*(*results)[2].Scalar<int64_t>(), 100);
  EXPECT_EQ((*results)[0].info().round_trips(), 1);
}

TEST_F(BatchTest, TheFirstErrorRollsAllBackAndIsNamed) {
  absl::StatusOr<std::vector<client::Result>> results = db().ExecuteAtomic(
      {Statement("UPDATE accounts SET balance = balance + 500 WHERE id = 2"),
       Statement("UPDATE accounts SET balance = balance - 500 WHERE id = 1"), Statement("SELECT 1")});
  EXPECT_EQ(Reason(results), "CHECK_VIOLATION");
  const ErrorFacts facts = FactsOf(results.status());
  EXPECT_EQ(facts.metadata.at("statementIndex"), "1");
  EXPECT_EQ(facts.outcome, v1::OUTCOME_ROLLED_BACK);
  EXPECT_EQ(*db().Execute("SELECT balance FROM accounts WHERE id = 2")->Scalar<int32_t>(), 0);
}

TEST_F(BatchTest, PositionsCountInTheStatementThatFailed) {
  absl::StatusOr<std::vector<client::Result>> results =
      db().ExecuteAtomic({Statement("SELECT $1 -- a comment at the end", "some text"), Statement("SELECT 1, nothing")});
  EXPECT_EQ(FactsOf(results.status()).postgres->position(), 11);
}

TEST_F(BatchTest, SetLocalHoldsForTheRestOfTheBatchOnly) {
  absl::StatusOr<std::vector<client::Result>> results = db().ExecuteAtomic(
      {Statement("SET LOCAL work_mem = '7MB'"), Statement("SELECT current_setting('work_mem')"),
       Statement("CREATE TEMP TABLE scratch (n int) ON COMMIT DROP"), Statement("INSERT INTO scratch VALUES (1)")});
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(*(*results)[1].Scalar<std::string>(), "7MB");
  EXPECT_NE(*db().Execute("SELECT current_setting('work_mem')")->Scalar<std::string>(), "7MB");
  EXPECT_EQ(*db().Execute("SELECT count(*) FROM pg_class WHERE relname = 'scratch'")->Scalar<int64_t>(), 0);
}

TEST_F(BatchTest, IndependentStatementsFailAlone) {
  absl::StatusOr<std::vector<absl::StatusOr<client::Result>>> results =
      db().ExecuteIndependent({Statement("UPDATE accounts SET balance = 1 WHERE id = 2"),
                               Statement("UPDATE accounts SET balance = -1 WHERE id = 2"),
                               Statement("SELECT balance FROM accounts WHERE id = 2")});
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 3u);
  EXPECT_EQ((*results)[0]->affected_rows(), 1);
  EXPECT_EQ(Reason((*results)[1]), "CHECK_VIOLATION");
  EXPECT_EQ(FactsOf((*results)[1].status()).metadata.at("statementIndex"), "1");
  EXPECT_EQ(*(*results)[2]->Scalar<int32_t>(), 1);
}

TEST_F(BatchTest, AnIndependentResultThatIsTooLargeCostsNoOther) {
  absl::StatusOr<std::vector<absl::StatusOr<client::Result>>> results =
      db().ExecuteIndependent({Statement("SELECT 1"), Statement("SELECT repeat('x', 5000000)"), Statement("SELECT 3")});
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(Reason((*results)[0]), "ok");
  EXPECT_EQ(Reason((*results)[1]), "RESPONSE_TOO_LARGE");
  EXPECT_EQ(*(*results)[2]->Scalar<int32_t>(), 3);
}

TEST_F(BatchTest, ASyntaxErrorIsTheStatementsThatHasIt) {
  absl::StatusOr<std::vector<client::Result>> results =
      db().ExecuteAtomic({Statement("SELECT 1"), Statement("SELECT 2"), Statement("SELEC 3")});
  EXPECT_EQ(Reason(results), "SYNTAX_ERROR");
  EXPECT_EQ(FactsOf(results.status()).metadata.at("statementIndex"), "2");
  EXPECT_EQ(FactsOf(results.status()).postgres->position(), 1);
}

TEST_F(BatchTest, AThousandStatementsAreOneRoundTrip) {
  std::vector<Statement> statements;
  for (int i = 0; i < 1000; ++i) statements.emplace_back("UPDATE accounts SET balance = balance + $1 WHERE id = 2", 1);
  absl::StatusOr<std::vector<client::Result>> results = db().ExecuteAtomic(statements);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ((*results)[0].info().round_trips(), 1);
  EXPECT_EQ(*db().Execute("SELECT balance FROM accounts WHERE id = 2")->Scalar<int32_t>(), 1000);
}

TEST_F(BatchTest, AReadOnlyBatchCanNotWrite) {
  client::CallOptions options;
  options.read_only = true;
  EXPECT_EQ(Reason(db().ExecuteAtomic({Statement("SELECT 1"), Statement("DELETE FROM accounts")}, options)),
            "READ_ONLY");
}

}  // namespace
}  // namespace sluice
