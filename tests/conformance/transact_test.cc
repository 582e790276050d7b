// Transact: the stream is the transaction. Its statements are one round trip each, and whichever way it ends, nothing
// of it is left open.

#include <grpcpp/create_channel.h>
#include <signal.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"
#include "tests/support/fault_proxy.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::FaultProxy;
using testing_support::Gateway;
using State = v1::TransactResponse;

class TransactTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    Direct().Run("DROP TABLE IF EXISTS moves; CREATE TABLE moves (n int PRIMARY KEY)");
  }

  // One that was dropped is rolled back by the gateway, in its own time.
  void TearDown() override {
    EXPECT_TRUE(NothingIsOpen());
    ConformanceTest::TearDown();
  }

  std::string Rows() { return Direct().Value("SELECT coalesce(string_agg(n::text, ' ' ORDER BY n), '') FROM moves"); }
  bool NothingIsOpen() {
    return Eventually([this] {
      return Direct().Value("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == "0";
    });
  }

  // A stream as any client has it, without the C++ library.
  struct Raw {
    explicit Raw(const Gateway& gateway) {
      stub = v1::Database::NewStub(grpc::CreateChannel(gateway.address(), grpc::InsecureChannelCredentials()));
      stream = stub->Transact(&context);
    }
    void Send(v1::TransactRequest request) { stream->Write(request); }
    void Begin() {
      v1::TransactRequest request;
      request.mutable_begin();
      Send(request);
    }
    void Run(const std::string& sql, int64_t sequence = 0, bool then_commit = false) {
      v1::TransactRequest request;
      request.mutable_statement()->set_sql(sql);
      request.set_sequence(sequence);
      request.set_then_commit(then_commit);
      Send(request);
    }
    v1::TransactResponse Answer() {
      v1::TransactResponse response;
      EXPECT_TRUE(stream->Read(&response));
      return response;
    }

    grpc::ClientContext context;
    std::unique_ptr<v1::Database::Stub> stub;
    std::unique_ptr<grpc::ClientReaderWriter<v1::TransactRequest, v1::TransactResponse>> stream;
  };
  static std::string ReasonIn(const v1::TransactResponse& response) {
    for (const google::protobuf::Any& detail : response.error().details()) {
      google::rpc::ErrorInfo info;
      if (detail.UnpackTo(&info)) return info.reason();
    }
    return "";
  }
};

TEST_F(TransactTest, WhatIsCommittedIsThere) {
  client::Transaction move = db().Begin();
  ASSERT_TRUE(move.Execute("INSERT INTO moves VALUES ($1)", 1).ok());
  const absl::StatusOr<client::Result> seen = move.Execute("SELECT count(*) FROM moves");
  EXPECT_EQ(*seen->Scalar<int64_t>(), 1);
  EXPECT_EQ(Rows(), "");
  EXPECT_TRUE(move.Commit().ok());
  EXPECT_EQ(move.state(), State::COMMITTED);
  EXPECT_EQ(Rows(), "1");
}

TEST_F(TransactTest, WhatIsRolledBackIsNot) {
  client::Transaction move = db().Begin();
  ASSERT_TRUE(move.Execute("INSERT INTO moves VALUES (1)").ok());
  EXPECT_TRUE(move.Rollback().ok());
  EXPECT_EQ(move.state(), State::ROLLED_BACK);
  EXPECT_EQ(Rows(), "");
}

// BEGIN with the first, COMMIT with the last: counted on the wire.
TEST_F(TransactTest, NStatementsAreNRoundTrips) {
  FaultProxy proxy(pgbouncer_->directory() + "/.s.PGSQL.6432");
  const Gateway gateway(proxy.Url());
  ASSERT_TRUE(gateway.AwaitReady());
  const client::Database db = gateway.Client();
  ASSERT_TRUE(db.Execute("SELECT 1").ok());
  client::Transaction move = db.Begin();
  for (int i = 1; i <= 4; ++i) ASSERT_TRUE(move.Execute("INSERT INTO moves VALUES ($1)", i).ok());
  ASSERT_TRUE(move.ExecuteAndCommit(client::Statement("INSERT INTO moves VALUES (5)")).ok());
  EXPECT_EQ(proxy.PiecesWith(FaultProxy::Way::kToServer, {"BEGIN", "INSERT INTO moves", "COMMIT"}), 5);
  EXPECT_EQ(move.info().round_trips(), 5);
  EXPECT_EQ(Rows(), "1 2 3 4 5");
}

TEST_F(TransactTest, ASingleStatementCanBeAllOfIt) {
  client::Transaction move = db().Begin();
  const auto both = move.ExecuteBatchAndCommit(
      {client::Statement("INSERT INTO moves VALUES (1)"), client::Statement("SELECT n FROM moves")});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(*(*both)[1].Scalar<int32_t>(), 1);
  EXPECT_EQ(move.state(), State::COMMITTED);
  EXPECT_EQ(move.info().round_trips(), 1);
}

TEST_F(TransactTest, AFailedStatementFailsItUntilASavepoint) {
  client::Transaction move = db().Begin();
  ASSERT_TRUE(move.Execute("INSERT INTO moves VALUES (1)").ok());
  ASSERT_TRUE(move.Savepoint("a \"point\"").ok());
  const absl::StatusOr<client::Result> twice = move.Execute("INSERT INTO moves VALUES ($1)", 1);
  EXPECT_EQ(Reason(twice), "UNIQUE_VIOLATION");
  EXPECT_EQ(OutcomeOf(twice.status()), v1::OUTCOME_ROLLED_BACK);
  EXPECT_EQ(move.state(), State::FAILED);
  EXPECT_EQ(Reason(move.Execute("SELECT 1")), "IN_FAILED_SQL_TRANSACTION");
  EXPECT_EQ(ReasonOf(move.Commit()), "IN_FAILED_SQL_TRANSACTION");
  EXPECT_TRUE(move.RollbackTo("a \"point\"").ok());
  EXPECT_EQ(move.state(), State::OPEN);
  EXPECT_TRUE(move.Release("a \"point\"").ok());
  EXPECT_TRUE(move.Commit().ok());
  EXPECT_EQ(Rows(), "1");
}

// PostgreSQL reads the whole message before it runs BEGIN.
TEST_F(TransactTest, ASyntaxErrorInTheFirstStatementFailsItToo) {
  client::Transaction move = db().Begin();
  EXPECT_EQ(Reason(move.Execute("SELEC 1")), "SYNTAX_ERROR");
  EXPECT_EQ(move.state(), State::FAILED);
  EXPECT_TRUE(move.Rollback().ok());
  EXPECT_TRUE(NothingIsOpen());
}

TEST_F(TransactTest, WhatIsNotSentLeavesItOpen) {
  client::Transaction move = db().Begin();
  ASSERT_TRUE(move.Execute("INSERT INTO moves VALUES (1)").ok());
  for (const char* sql : {"", "SELECT 1; SELECT 2", "COMMIT", "SELECT $1", "LISTEN a", "VACUUM"}) {
    const absl::StatusOr<client::Result> refused = move.Execute(sql);
    EXPECT_FALSE(refused.ok()) << sql;
    EXPECT_EQ(OutcomeOf(refused.status()), v1::OUTCOME_NOT_STARTED) << refused.status();
    EXPECT_EQ(move.state(), State::OPEN) << sql;
  }
  EXPECT_TRUE(move.Commit().ok());
  EXPECT_EQ(Rows(), "1");
}

TEST_F(TransactTest, ABatchNamesTheStatementThatFailed) {
  client::Transaction move = db().Begin();
  const auto batch = move.ExecuteBatch({client::Statement("INSERT INTO moves VALUES (1)"),
                                        client::Statement("SELECT 1 / 0"), client::Statement("SELECT 3")});
  EXPECT_EQ(Reason(batch), "DIVISION_BY_ZERO");
  EXPECT_EQ(FactsOf(batch.status()).metadata.at("statementIndex"), "1");
  EXPECT_EQ(move.state(), State::FAILED);
  EXPECT_EQ(Rows(), "");
}

TEST_F(TransactTest, ADeferredConstraintThatFailsAtTheCommitRollsItBack) {
  Direct().Run("DROP TABLE IF EXISTS late; CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
  client::Transaction move = db().Begin();
  ASSERT_TRUE(move.Execute("INSERT INTO late VALUES (1), (1)").ok());
  const absl::Status commit = move.Commit();
  EXPECT_EQ(ReasonOf(commit), "UNIQUE_VIOLATION");
  EXPECT_EQ(OutcomeOf(commit), v1::OUTCOME_ROLLED_BACK);
  EXPECT_EQ(move.state(), State::ROLLED_BACK);
  client::Transaction again = db().Begin();
  EXPECT_EQ(Reason(again.ExecuteAndCommit(client::Statement("INSERT INTO late VALUES (1), (1)"))), "UNIQUE_VIOLATION");
  EXPECT_EQ(again.state(), State::ROLLED_BACK);
}

TEST_F(TransactTest, ItsOptionsHoldFromTheFirstStatementOn) {
  Direct().Run("DROP ROLE IF EXISTS mover; CREATE ROLE mover");
  client::TransactionOptions options;
  options.transaction.set_isolation(v1::TransactionOptions::SERIALIZABLE);
  options.transaction.set_read_only(true);
  options.transaction.set_deferrable(true);
  options.identity.emplace().set_role("mover");
  client::Transaction look = db().Begin(options);
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<client::Result> facts = look.Execute(
        "SELECT concat_ws(' ', current_setting('transaction_isolation'), current_setting("
        "'transaction_read_only'), current_setting('transaction_deferrable'), current_user, "
        "current_setting('jit'))");
    ASSERT_TRUE(facts.ok()) << facts.status();
    EXPECT_EQ(*facts->Scalar<std::string>(), "serializable on on mover off");
  }
  EXPECT_EQ(Reason(look.Execute("CREATE TABLE never (n int)")), "READ_ONLY");
}

TEST_F(TransactTest, RequestsMayBeSentAhead) {
  Raw raw(*gateway_);
  raw.Begin();
  for (int i = 1; i <= 20; ++i)
    raw.Run(absl::StrCat("INSERT INTO moves VALUES (", i, ") RETURNING n"), 100 + i, i == 20);
  for (int i = 1; i <= 20; ++i) {
    const v1::TransactResponse response = raw.Answer();
    EXPECT_EQ(response.sequence(), 100 + i);
    ASSERT_TRUE(response.has_result()) << response.DebugString();
    EXPECT_EQ(response.result().rows().columns(0).int32s(0), i);
    EXPECT_EQ(response.state(), i == 20 ? State::COMMITTED : State::OPEN);
  }
  raw.stream->WritesDone();
  EXPECT_TRUE(raw.stream->Finish().ok());
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM moves"), "20");
}

TEST_F(TransactTest, AStatementBehindTheCommitIsAnErrorOfItsOwn) {
  Raw raw(*gateway_);
  raw.Begin();
  raw.Run("INSERT INTO moves VALUES (1)", 1, /*then_commit=*/true);
  raw.Run("INSERT INTO moves VALUES (2)", 2);
  EXPECT_EQ(raw.Answer().state(), State::COMMITTED);
  v1::TransactResponse late;
  if (raw.stream->Read(&late)) {
    EXPECT_EQ(ReasonIn(late), "TRANSACTION_OVER");
    EXPECT_EQ(late.sequence(), 2);
    EXPECT_EQ(late.state(), State::COMMITTED);
  }
  EXPECT_TRUE(raw.stream->Finish().ok());
  EXPECT_EQ(Rows(), "1");
}

TEST_F(TransactTest, RequestsOutOfOrderAreErrorsOfTheirOwn) {
  {
    Raw raw(*gateway_);
    raw.Run("SELECT 1");
    raw.stream->WritesDone();
    EXPECT_EQ(raw.stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    Raw raw(*gateway_);
    raw.stream->WritesDone();
    EXPECT_EQ(raw.stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  Raw raw(*gateway_);
  raw.Begin();
  raw.Run("INSERT INTO moves VALUES (1)", 1);
  raw.Begin();
  raw.Send(v1::TransactRequest());
  v1::TransactRequest commits_nothing;
  commits_nothing.mutable_savepoint()->set_name("a");
  commits_nothing.set_then_commit(true);
  raw.Send(commits_nothing);
  v1::TransactRequest nameless;
  nameless.mutable_savepoint();
  raw.Send(nameless);
  raw.Run("INSERT INTO moves VALUES (2)", 2, /*then_commit=*/true);
  EXPECT_EQ(raw.Answer().state(), State::OPEN);
  for (int i = 0; i < 4; ++i) {
    const v1::TransactResponse refused = raw.Answer();
    EXPECT_EQ(ReasonIn(refused), "INVALID_FIELD") << refused.DebugString();
    EXPECT_EQ(refused.state(), State::OPEN);
  }
  EXPECT_EQ(raw.Answer().state(), State::COMMITTED);
  EXPECT_EQ(Rows(), "1 2");
}

TEST_F(TransactTest, AHalfCloseRollsBack) {
  Raw raw(*gateway_);
  raw.Begin();
  raw.Run("INSERT INTO moves VALUES (1)", 1);
  EXPECT_EQ(raw.Answer().state(), State::OPEN);
  raw.stream->WritesDone();
  EXPECT_TRUE(raw.stream->Finish().ok());
  EXPECT_TRUE(NothingIsOpen());
  EXPECT_EQ(Rows(), "");
}

TEST_F(TransactTest, OneThatIsDroppedRollsBack) {
  {
    client::Transaction move = db().Begin();
    ASSERT_TRUE(move.Execute("INSERT INTO moves VALUES (1)").ok());
  }
  EXPECT_TRUE(NothingIsOpen());
  EXPECT_EQ(Rows(), "");
}

TEST_F(TransactTest, OneThatIsIdleRollsBack) {
  client::TransactionOptions options;
  options.idle_timeout = absl::Milliseconds(200);
  client::Transaction move = db().Begin(options);
  ASSERT_TRUE(move.Execute("INSERT INTO moves VALUES (1)").ok());
  EXPECT_TRUE(NothingIsOpen());
  EXPECT_EQ(Reason(move.Execute("SELECT 1")), "TRANSACTION_IDLE");
  EXPECT_EQ(move.state(), State::ROLLED_BACK);
  EXPECT_EQ(Rows(), "");
}

TEST_F(TransactTest, OneThatLastsTooLongRollsBack) {
  Raw raw(*gateway_);
  v1::TransactRequest request;
  request.mutable_begin()->mutable_max_lifetime()->set_nanos(300000000);
  raw.Send(request);
  raw.Run("INSERT INTO moves VALUES (1)", 1);
  raw.Answer();
  raw.Run("SELECT pg_sleep(60)", 2);
  const v1::TransactResponse late = raw.Answer();
  EXPECT_EQ(ReasonIn(late), "TRANSACTION_TOO_LONG") << late.DebugString();
  EXPECT_EQ(late.state(), State::ROLLED_BACK);
  EXPECT_EQ(raw.stream->Finish().error_code(), grpc::StatusCode::ABORTED);
  EXPECT_TRUE(NothingIsOpen());
}

// Also one whose statements are each quick enough.
TEST_F(TransactTest, ABatchThatLastsTooLongRollsBack) {
  Raw raw(*gateway_);
  v1::TransactRequest request;
  request.mutable_begin()->mutable_max_lifetime()->set_nanos(500000000);
  raw.Send(request);
  v1::TransactRequest batch;
  batch.mutable_batch()->add_statements()->set_sql("INSERT INTO moves VALUES (1)");
  for (int i = 0; i < 10; ++i) batch.mutable_batch()->add_statements()->set_sql("SELECT pg_sleep(0.4)");
  batch.set_then_commit(true);
  raw.Send(batch);
  EXPECT_EQ(ReasonIn(raw.Answer()), "TRANSACTION_TOO_LONG");
  EXPECT_TRUE(NothingIsOpen());
  EXPECT_EQ(Rows(), "");
}

TEST_F(TransactTest, ItsDeadlineRollsBack) {
  client::TransactionOptions options;
  options.timeout = absl::Milliseconds(500);
  client::Transaction move = db().Begin(options);
  ASSERT_TRUE(move.Execute("INSERT INTO moves VALUES (1)").ok());
  EXPECT_FALSE(move.Execute("SELECT pg_sleep(60)").ok());
  EXPECT_TRUE(NothingIsOpen());
  EXPECT_EQ(Rows(), "");
}

TEST_F(TransactTest, ACancelEndsItsStatement) {
  Raw raw(*gateway_);
  raw.Begin();
  raw.Run("INSERT INTO moves VALUES (1)", 1);
  raw.Answer();
  raw.Run("SELECT pg_sleep(60), 'cancelled'", 2);
  const std::string running =
      "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60), ''cancelled''%' AND "
      "state = 'active' AND pid <> pg_backend_pid()";
  ASSERT_TRUE(Eventually([&] { return Direct().Value(running) == "1"; }));
  raw.context.TryCancel();
  EXPECT_EQ(raw.stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return Direct().Value(running) == "0"; }));
  EXPECT_TRUE(NothingIsOpen());
  EXPECT_EQ(Rows(), "");
}

TEST_F(TransactTest, AClientThatIsKilledRollsBack) {
  testing_support::TempDir directory;
  testing_support::Process::Options options;
  options.command = {"tests/support/abandoned_call", gateway_->address(), "transaction",
                     "INSERT INTO moves VALUES (1)"};
  options.output_path = directory.File("output");
  {
    const testing_support::Process client(options);
    ASSERT_TRUE(Eventually([&] { return testing_support::ReadFile(options.output_path) == "open\n"; }));
    EXPECT_EQ(Direct().Value("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"), "1");
  }
  EXPECT_TRUE(NothingIsOpen());
  EXPECT_EQ(Rows(), "");
}

TEST_F(TransactTest, ADrainRollsBack) {
  Gateway gateway(pgbouncer_->Url(), {"--drain_delay=0s", "--drain_grace=100ms"});
  Raw open(gateway), idle(gateway);
  open.Begin();
  open.Run("INSERT INTO moves VALUES (1)");
  EXPECT_EQ(open.Answer().state(), State::OPEN);
  // One that has only been begun does not keep it, either.
  idle.Begin();
  std::vector<std::future<std::string>> ends;
  for (Raw* raw : {&open, &idle}) {
    ends.push_back(std::async(std::launch::async, [raw] {
      v1::TransactResponse none;
      EXPECT_FALSE(raw->stream->Read(&none));
      return raw->stream->Finish().error_message();
    }));
  }
  EXPECT_EQ(gateway.Drain(), 0);
  for (auto& end : ends) EXPECT_EQ(end.get(), "this gateway is shutting down");
  EXPECT_TRUE(NothingIsOpen());
  EXPECT_EQ(Rows(), "");
}

TEST_F(TransactTest, ABackendThatDiesRollsBack) {
  client::Transaction move = db().Begin();
  ASSERT_TRUE(move.Execute("INSERT INTO moves VALUES (1)").ok());
  Direct().Run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'");
  const absl::StatusOr<client::Result> next = move.Execute("INSERT INTO moves VALUES (2)");
  EXPECT_EQ(Reason(next), "TRANSACTION_LOST");
  EXPECT_EQ(OutcomeOf(next.status()), v1::OUTCOME_ROLLED_BACK);
  EXPECT_EQ(move.state(), State::ROLLED_BACK);
  EXPECT_EQ(Rows(), "");
}

// Nobody knows; and nobody guesses.
TEST_F(TransactTest, ACommitWhoseAnswerIsLostIsUnknown) {
  FaultProxy proxy(pgbouncer_->directory() + "/.s.PGSQL.6432");
  const Gateway gateway(proxy.Url());
  for (const bool with_statement : {false, true}) {
    client::Transaction move = gateway.Client().Begin();
    ASSERT_TRUE(move.Execute("INSERT INTO moves VALUES ($1)", with_statement ? 3 : 1).ok());
    proxy.CutBefore(FaultProxy::Way::kToClient, "COMMIT");
    const absl::Status commit = with_statement
                                    ? move.ExecuteAndCommit(client::Statement("INSERT INTO moves VALUES (4)")).status()
                                    : move.Commit();
    EXPECT_EQ(OutcomeOf(commit), v1::OUTCOME_UNKNOWN) << commit;
    EXPECT_EQ(move.state(), State::OUTCOME_UNKNOWN);
  }
  // It was done, both times.
  EXPECT_TRUE(Eventually([this] { return Rows() == "1 3 4"; })) << Rows();
}

// In the statement before it there was nothing to be in doubt about.
TEST_F(TransactTest, AStatementWhoseAnswerIsLostIsRolledBack) {
  FaultProxy proxy(pgbouncer_->directory() + "/.s.PGSQL.6432");
  const Gateway gateway(proxy.Url());
  client::Transaction move = gateway.Client().Begin();
  ASSERT_TRUE(move.Execute("SELECT 1").ok());
  proxy.CutBefore(FaultProxy::Way::kToClient, "INSERT 0 1");
  const absl::StatusOr<client::Result> lost = move.Execute("INSERT INTO moves VALUES (1)");
  EXPECT_EQ(OutcomeOf(lost.status()), v1::OUTCOME_ROLLED_BACK) << lost.status();
  EXPECT_TRUE(NothingIsOpen());
  EXPECT_EQ(Rows(), "");
}

TEST_F(TransactTest, TransactionsLeaveAConnectionToShortCalls) {
  const Gateway gateway(pgbouncer_->Url(), {"--pool_size=2"});
  client::Database::Options once;
  once.target = gateway.address();
  once.retries_max = 0;
  const client::Database db = *client::Database::Open(once);
  client::Transaction first = db.Begin();
  ASSERT_TRUE(first.Execute("SELECT 1").ok());
  client::TransactionOptions hasty;
  // The gateway answers 100 ms before the client gives up, which on a busy machine is little enough.
  hasty.timeout = absl::Seconds(1);
  client::Transaction second = db.Begin(hasty);
  EXPECT_EQ(Reason(second.Execute("SELECT 1")), "QUEUE_TIMEOUT");
  EXPECT_EQ(Reason(db.Execute("SELECT 1")), "ok");
  ASSERT_TRUE(first.Commit().ok());
  client::Transaction third = db.Begin();
  EXPECT_EQ(Reason(third.Execute("SELECT 1")), "ok");
}

// Whoever swallows an error of it is not told that it was committed.
TEST_F(TransactTest, RunTransactionIsOkOnlyIfItIsCommitted) {
  const absl::Status lost = db().RunTransaction([this](client::Transaction& transaction) {
    (void)transaction.Execute("INSERT INTO moves VALUES (1)");
    Direct().Run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'");
    (void)transaction.Execute("SELECT 1");
    return absl::OkStatus();
  });
  EXPECT_FALSE(lost.ok());
  EXPECT_EQ(Rows(), "");
}

// The gateway is killed while it commits: the client can not know.
TEST_F(TransactTest, ACommitThatNobodyAnswersIsUnknownToTheClient) {
  FaultProxy proxy(pgbouncer_->directory() + "/.s.PGSQL.6432");
  auto gateway = std::make_unique<Gateway>(proxy.Url());
  client::Transaction move = gateway->Client().Begin();
  ASSERT_TRUE(move.Execute("INSERT INTO moves VALUES (1)").ok());
  proxy.HoldFrom(FaultProxy::Way::kToServer, "COMMIT");
  auto commit = std::async(std::launch::async, [&move] { return move.Commit(); });
  EXPECT_TRUE(Eventually([&] { return proxy.held_bytes(FaultProxy::Way::kToServer) > 0; }));
  gateway->process().Signal(SIGKILL);
  EXPECT_FALSE(commit.get().ok());
  EXPECT_EQ(move.state(), State::OUTCOME_UNKNOWN);
  proxy.CutAll();
}

// Nobody had asked for a commit: so the client knows, and may do it over.
TEST_F(TransactTest, ATransactionWhoseGatewayDiesIsRolledBack) {
  auto gateway = std::make_unique<Gateway>(pgbouncer_->Url());
  client::Transaction move = gateway->Client().Begin();
  ASSERT_TRUE(move.Execute("INSERT INTO moves VALUES (1)").ok());
  gateway->process().Signal(SIGKILL);
  gateway->process().Wait();
  const absl::StatusOr<client::Result> lost = move.Execute("INSERT INTO moves VALUES (2)");
  EXPECT_EQ(Reason(lost), "TRANSACTION_LOST") << lost.status();
  EXPECT_EQ(OutcomeOf(lost.status()), v1::OUTCOME_ROLLED_BACK);
  EXPECT_EQ(move.state(), State::ROLLED_BACK);
  EXPECT_TRUE(NothingIsOpen());
  EXPECT_EQ(Rows(), "");
}

TEST_F(TransactTest, RunTransactionDoesItOverWhereThatHelps) {
  Direct().Run("DROP TABLE IF EXISTS counter; CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)");
  client::TransactionOptions options;
  options.transaction.set_isolation(v1::TransactionOptions::SERIALIZABLE);
  const auto add = [](client::Transaction& transaction) -> absl::Status {
    const absl::StatusOr<client::Result> read = transaction.Execute("SELECT n FROM counter");
    if (!read.ok()) return read.status();
    return transaction.Execute("UPDATE counter SET n = $1", *read->Scalar<int32_t>() + 1).status();
  };
  client::Database::Options patient;
  patient.target = gateway_->address();
  patient.retries_max = 1000;
  const client::Database db = *client::Database::Open(patient);
  std::vector<std::future<absl::Status>> adders;
  for (int i = 0; i < 5; ++i) {
    adders.push_back(std::async(std::launch::async, [&] { return db.RunTransaction(add, options); }));
  }
  for (auto& adder : adders) {
    const absl::Status added = adder.get();
    EXPECT_TRUE(added.ok()) << added;
  }
  EXPECT_EQ(Direct().Value("SELECT n FROM counter"), "5");
  int runs = 0;
  const absl::Status refused = db.RunTransaction([&runs](client::Transaction& transaction) {
    ++runs;
    return transaction.Execute("SELECT 1 / 0").status();
  });
  EXPECT_EQ(ReasonOf(refused), "DIVISION_BY_ZERO");
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace sluice
