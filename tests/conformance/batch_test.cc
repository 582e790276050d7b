// An atomic batch is one transaction in one round trip; an independent one is none.

#include <grpcpp/create_channel.h>

#include "sluice/v1/database.grpc.pb.h"
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
  EXPECT_EQ(facts.postgres->statement_index(), 1);
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

// Generated clients take 4 MiB: past it the transport would answer instead, and nobody would
// know what became of any statement.
TEST_F(BatchTest, AThousandLongErrorsFitIntoAReplyBesideALargeResult) {
  v1::ExecuteBatchRequest request;
  request.set_mode(v1::ExecuteBatchRequest::INDEPENDENT);
  request.add_statements()->set_sql("SELECT repeat('x', 3000000)");
  for (int i = 1; i < 1000; ++i) {
    request.add_statements()->set_sql(
        "DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 5000) USING DETAIL = repeat('y', 5000), HINT = repeat('z', "
        "5000); END $$");
  }
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway_->address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::ExecuteBatchResponse response;
  const grpc::Status status = stub->ExecuteBatch(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_LE(response.ByteSizeLong(), 4u << 20);
  EXPECT_TRUE(response.results(0).has_result());
  for (int i = 1; i < 1000; ++i) {
    ASSERT_TRUE(response.results(i).has_error());
    EXPECT_NE(response.results(i).error().SerializeAsString().find("RAISE_EXCEPTION"), std::string::npos) << i;
  }
}

}  // namespace
}  // namespace sluice
