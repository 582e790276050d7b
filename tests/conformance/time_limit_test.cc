// A call ends by its deadline, and at once when its caller gives up; the work with it.

#include <grpcpp/create_channel.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"
#include "tests/support/scripted_server.h"

namespace sluice {
namespace {

class TimeLimitTest : public ConformanceTest {
 protected:
  // Backends that are busy with a statement that has this mark in it.
  int Running(const std::string& mark) {
    return std::stoi(
        Direct().Value(absl::StrCat("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> "
                                    "pg_backend_pid() AND query LIKE '%",
                                    mark, "%'")));
  }

  client::CallOptions Within(absl::Duration timeout) {
    client::CallOptions options;
    options.timeout = timeout;
    return options;
  }
};

TEST_F(TimeLimitTest, TheDeadlineEndsTheStatement) {
  absl::StatusOr<client::Result> result =
      db().Execute(client::Statement("SELECT pg_sleep(60) AS deadline_mark"), Within(absl::Milliseconds(300)));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
  EXPECT_TRUE(testing_support::Eventually([this] { return Running("deadline_mark") == 0; }, absl::Seconds(5)));
}

// Before its own library gives up and knows nothing.
TEST_F(TimeLimitTest, WhoSetsADeadlineHearsWhatBecameOfTheWork) {
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway_->address(), grpc::InsecureChannelCredentials()));
  v1::ExecuteRequest request;
  request.mutable_statement()->set_sql("SELECT pg_sleep(60)");
  v1::ExecuteResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
  const grpc::Status status = stub->Execute(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_NE(status.error_details().find("ROLLED_BACK"), std::string::npos) << status.error_message();
}

// PostgreSQL's statement_timeout begins again with each statement of a batch.
TEST_F(TimeLimitTest, ABatchCommitsNothingAfterItsDeadline) {
  Direct().Run("CREATE TABLE late (n int)");
  v1::ExecuteBatchRequest request;
  request.add_statements()->set_sql("INSERT INTO late VALUES (1)");
  for (int i = 0; i < 3; ++i) request.add_statements()->set_sql("SELECT pg_sleep(0.4)");
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway_->address(), grpc::InsecureChannelCredentials()));
  v1::ExecuteBatchResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
  const grpc::Status status = stub->ExecuteBatch(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_NE(status.error_details().find("ROLLED_BACK"), std::string::npos) << status.error_message();
  EXPECT_TRUE(testing_support::Eventually([this] { return Running("INTO late") == 0; }, absl::Seconds(5)));
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM late"), "0");
}

TEST_F(TimeLimitTest, TheDeadlineEndsWhatFliesWithoutStatementTimeout) {
  absl::StatusOr<client::Result> result = db().Execute(
      client::Statement("DO $$ BEGIN PERFORM pg_sleep(60); /* bare_mark */ END $$"), Within(absl::Milliseconds(300)));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
  EXPECT_TRUE(testing_support::Eventually([this] { return Running("bare_mark") == 0; }, absl::Seconds(5)));
}

// A cancel that comes before its statement has begun cancels nothing: it is sent again.
TEST_F(TimeLimitTest, ACancelThatDoesNotHelpIsSentAgain) {
  testing_support::ScriptedServer busy;
  const testing_support::Gateway gateway(busy.Url(), {"--pool_size=2"});
  ASSERT_TRUE(gateway.AwaitReady());
  testing_support::ScriptedServer::Manners silent;
  silent.is_silent = true;
  busy.Behave(silent);
  client::RowStream rows = gateway.Client().Stream("DO $$ BEGIN END $$");
  ASSERT_TRUE(testing_support::Eventually([&] { return busy.times_received("DO $$ BEGIN END $$") == 1; }));
  rows.Cancel();
  // After ten seconds the next connection's first question is cancelled, too.
  EXPECT_TRUE(testing_support::Eventually([&] { return busy.cancels_received() >= 2; }, absl::Seconds(8)));
  busy.Behave({});
}

// Also when its caller has had its answer, which does not wait for that.
TEST_F(TimeLimitTest, WhatOutlivesItsDeadlineIsCancelledUntilItEnds) {
  testing_support::ScriptedServer busy;
  const testing_support::Gateway gateway(busy.Url(), {"--pool_size=1"});
  ASSERT_TRUE(gateway.AwaitReady());
  testing_support::ScriptedServer::Manners silent;
  silent.is_silent = true;
  busy.Behave(silent);
  const absl::StatusOr<client::Result> result =
      gateway.Client().Execute(client::Statement("DO $$ BEGIN END $$"), Within(absl::Milliseconds(300)));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
  // After ten seconds the next connection's first question is cancelled, too.
  EXPECT_TRUE(testing_support::Eventually([&] { return busy.cancels_received() >= 3; }, absl::Seconds(8)));
  busy.Behave({});
}

// At a deadline statement_timeout and the cancel race: the loser must not hit the next call.
TEST_F(TimeLimitTest, AnExpiredCallDoesNotCancelAnother) {
  const testing_support::Gateway gateway(postgres_->Url(), {"--pool_size=4"});
  const client::Database db = gateway.Client();
  std::vector<std::thread> threads;
  std::atomic<int> innocent_failures{0};
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 25; ++k) {
        EXPECT_EQ(db.Execute(client::Statement("SELECT pg_sleep(5)"), Within(absl::Milliseconds(60))).status().code(),
                  absl::StatusCode::kDeadlineExceeded);
      }
    });
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k) innocent_failures += db.Execute("SELECT pg_sleep(0.002)").ok() ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(innocent_failures, 0);
}

TEST_F(TimeLimitTest, ADeadlineOfManyDaysIsADeadlineToo) {
  EXPECT_EQ(Reason(db().Execute(client::Statement("SELECT 1"), Within(absl::Hours(24 * 30)))), "ok");
}

TEST_F(TimeLimitTest, WithoutADeadlineTheGatewaysOwnHolds) {
  const testing_support::Gateway gateway(pgbouncer_->Url(), {"--call_timeout=200ms"});
  v1::ExecuteRequest request;
  request.mutable_statement()->set_sql("SELECT pg_sleep(60)");
  v1::ExecuteResponse response;
  grpc::ClientContext context;
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway.address(), grpc::InsecureChannelCredentials()));
  const grpc::Status status = stub->Execute(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << status.error_message();
  EXPECT_EQ(status.error_message(), "not done within 200ms");
}

TEST_F(TimeLimitTest, CancellingTheCallCancelsTheStatement) {
  v1::ExecuteRequest request;
  request.mutable_statement()->set_sql("SELECT pg_sleep(60) AS cancel_mark");
  v1::ExecuteResponse response;
  grpc::ClientContext context;
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway_->address(), grpc::InsecureChannelCredentials()));
  auto call = std::async(std::launch::async, [&] { return stub->Execute(&context, request, &response); });
  ASSERT_TRUE(testing_support::Eventually([this] { return Running("cancel_mark") == 1; }));
  context.TryCancel();
  EXPECT_EQ(call.get().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(testing_support::Eventually([this] { return Running("cancel_mark") == 0; }, absl::Seconds(5)));
}

TEST_F(TimeLimitTest, ACancelledWriteIsRolledBack) {
  Direct().Run("CREATE TABLE half_done (n int)");
  absl::StatusOr<client::Result> result = db().Execute(
      client::Statement("INSERT INTO half_done SELECT 1 FROM pg_sleep(60)"), Within(absl::Milliseconds(200)));
  EXPECT_FALSE(result.ok());
  EXPECT_TRUE(testing_support::Eventually([this] { return Running("half_done SELECT") == 0; }, absl::Seconds(5)));
  EXPECT_EQ(*db().Execute("SELECT count(*) FROM half_done")->Scalar<int64_t>(), 0);
}

TEST_F(TimeLimitTest, WhoGivesUpInTheLineNeverReachesPostgres) {
  const testing_support::Gateway gateway(pgbouncer_->Url(), {"--pool_size=1"});
  const client::Database db = gateway.Client();
  Direct().Run("CREATE TABLE queued (n int)");
  auto occupies = std::async(std::launch::async, [&db] { return db.Execute("SELECT pg_sleep(1) AS occupier_mark"); });
  ASSERT_TRUE(testing_support::Eventually([this] { return Running("occupier_mark") == 1; }));
  EXPECT_EQ(
      db.Execute(client::Statement("INSERT INTO queued VALUES (1)"), Within(absl::Milliseconds(100))).status().code(),
      absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(occupies.get().ok());
  ASSERT_TRUE(db.Execute("SELECT 1").ok());
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM queued"), "0");
}

TEST_F(TimeLimitTest, TheGatewayTellsThatACallInTheLineWasNotStarted) {
  const testing_support::Gateway gateway(pgbouncer_->Url(), {"--pool_size=1", "--call_timeout=300ms"});
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway.address(), grpc::InsecureChannelCredentials()));
  auto occupies = std::async(std::launch::async, [&gateway] {
    return gateway.Client().Execute(client::Statement("SELECT pg_sleep(2) AS occupier2_mark"), client::CallOptions());
  });
  ASSERT_TRUE(testing_support::Eventually([this] { return Running("occupier2_mark") == 1; }));
  v1::ExecuteRequest request;
  request.mutable_statement()->set_sql("SELECT 1");
  v1::ExecuteResponse response;
  grpc::ClientContext context;
  const grpc::Status status = stub->Execute(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_NE(status.error_details().find("QUEUE_TIMEOUT"), std::string::npos) << status.error_message();
  EXPECT_NE(status.error_details().find("NOT_STARTED"), std::string::npos);
  EXPECT_TRUE(occupies.get().ok());
}

TEST_F(TimeLimitTest, AClientThatVanishesLeavesNothingRunning) {
  {
    const auto channel = grpc::CreateChannel(gateway_->address(), grpc::InsecureChannelCredentials());
    const auto stub = v1::Database::NewStub(channel);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    v1::ExecuteRequest request;
    request.mutable_statement()->set_sql("SELECT pg_sleep(60) AS vanish_mark");
    v1::ExecuteResponse response;
    grpc::Status status;
    auto call = stub->AsyncExecute(&context, request, &queue);
    call->Finish(&response, &status, nullptr);
    ASSERT_TRUE(testing_support::Eventually([this] { return Running("vanish_mark") == 1; }));
    context.TryCancel();
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
  }
  EXPECT_TRUE(testing_support::Eventually([this] { return Running("vanish_mark") == 0; }, absl::Seconds(5)));
}

}  // namespace
}  // namespace sluice
