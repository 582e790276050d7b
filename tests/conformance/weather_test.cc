// When connections, the pooler or PostgreSQL go away, calls wait, connections come back by
// themselves, and every error is true.

#include <grpcpp/create_channel.h>
#include <signal.h>

#include <future>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/error.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::Gateway;
using testing_support::PgBouncer;
using testing_support::PostgresServer;

class WeatherTest : public testing::Test {
 protected:
  testing_support::Direct Direct() { return testing_support::Direct(postgres_.ConnectionString()); }

  // Waits until a statement with this mark runs, and ends its backend.
  void KillBackendOf(const std::string& mark) {
    testing_support::Direct direct = Direct();
    ASSERT_TRUE(Eventually([&] {
      // Until it has ended: the next one to be killed is another one.
      return direct.Value(absl::StrCat("SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 30000)) FROM "
                                       "pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query "
                                       "LIKE '%",
                                       mark, "%'")) == "1";
    })) << mark;
  }

  PostgresServer postgres_;
};

client::CallOptions Patient() {
  client::CallOptions options;
  options.timeout = absl::Seconds(30);
  return options;
}

TEST_F(WeatherTest, AKilledIdleBackendCostsNoCall) {
  const Gateway gateway(postgres_.Url(), {"--pool_size=4", "--pool_warm=4"});
  ASSERT_TRUE(gateway.AwaitReady());
  const client::Database db = gateway.Client();
  for (int round = 0; round < 5; ++round) {
    testing_support::Direct direct = Direct();
    const std::string pids = direct.Value(
        "SELECT coalesce(string_agg(pid::text, ','), '0') FROM pg_stat_activity WHERE application_name = 'sluice'");
    direct.Run(absl::StrCat("SELECT pg_terminate_backend(pid) FROM unnest('{", pids, "}'::int[]) pid"));
    // Until then a statement may still reach them, and its outcome is truly unknown.
    ASSERT_TRUE(Eventually([&] {
      return direct.Value(absl::StrCat("SELECT count(*) FROM pg_stat_activity WHERE pid IN (", pids, ")")) == "0";
    }));
    for (int i = 0; i < 8; ++i) {
      // A write too: the connection was found dead before anything was sent.
      absl::StatusOr<client::Result> result = db.Execute("CREATE TABLE IF NOT EXISTS written (n int)");
      EXPECT_TRUE(result.ok()) << result.status();
    }
  }
}

TEST_F(WeatherTest, AReadWhoseBackendDiesIsReadAgain) {
  const Gateway gateway(postgres_.Url());
  auto read = std::async(std::launch::async, [&gateway] {
    return gateway.Client().Execute(client::Statement("SELECT pg_sleep(0.5), 'survivor_mark'"), Patient());
  });
  KillBackendOf("survivor_mark");
  const absl::StatusOr<client::Result> result = read.get();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->info().attempts(), 2);
}

TEST_F(WeatherTest, AWriteWhoseBackendDiesIsUnknownAndNotRepeated) {
  Direct().Run("CREATE TABLE effects (n int)");
  const Gateway gateway(postgres_.Url());
  auto write = std::async(std::launch::async, [&gateway] {
    return gateway.Client().Execute(client::Statement("INSERT INTO effects SELECT 1 FROM pg_sleep(0.5)"), Patient());
  });
  KillBackendOf("INTO effects");
  const absl::Status status = write.get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown) << status;
  EXPECT_EQ(ReasonOf(status), "OUTCOME_UNKNOWN");
  EXPECT_EQ(OutcomeOf(status), v1::OUTCOME_UNKNOWN);
  EXPECT_FALSE(FactsOf(status).retry_after.has_value());
  EXPECT_EQ(SqlStateOf(status), "57P01");
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM effects"), "0");
}

// What looks like a read may write all the same: the second try runs READ ONLY, so that
// nothing is done twice.
TEST_F(WeatherTest, AHiddenWriteIsNotDoneTwice) {
  Direct().Run(
      "CREATE TABLE effects (n int); CREATE FUNCTION sneaky() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
      "  INSERT INTO effects VALUES (1); PERFORM pg_sleep(0.5); RETURN 1; END $$;"
      "CREATE VIEW innocent AS SELECT sneaky()");
  const Gateway gateway(postgres_.Url());
  auto call = std::async(std::launch::async, [&gateway] {
    return gateway.Client().Execute(client::Statement("TABLE innocent"), Patient());
  });
  KillBackendOf("TABLE innocent");
  const absl::Status status = call.get().status();
  EXPECT_EQ(OutcomeOf(status), v1::OUTCOME_UNKNOWN) << status;
  EXPECT_EQ(ReasonOf(status), "OUTCOME_UNKNOWN");
}

// READ ONLY does not keep a user's function from what it does outside of the database.
TEST_F(WeatherTest, AUsersFunctionIsNotCalledTwice) {
  Direct().Run(
      "CREATE FUNCTION send_mail() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
      "  RAISE LOG 'mail sent'; PERFORM pg_sleep(0.5); RETURN 1; END $$");
  const Gateway gateway(postgres_.Url());
  auto call = std::async(std::launch::async, [&gateway] {
    return gateway.Client().Execute(client::Statement("SELECT send_mail()"), Patient());
  });
  KillBackendOf("send_mail()");
  EXPECT_EQ(ReasonOf(call.get().status()), "OUTCOME_UNKNOWN");
  const std::string log = testing_support::ReadFile(postgres_.socket_directory() + "/postgres.log");
  EXPECT_EQ(log.find("LOG:  mail sent"), log.rfind("LOG:  mail sent"));
}

TEST_F(WeatherTest, AReadOnlyCallThatIsNeverLuckyMayBeMadeAgain) {
  const Gateway gateway(postgres_.Url());
  auto read = std::async(std::launch::async, [&gateway] {
    client::CallOptions options = Patient();
    options.read_only = true;
    client::Database::Options once;
    once.target = gateway.address();
    once.retries_max = 0;
    return client::Database::Open(once)->Execute(client::Statement("SELECT pg_sleep(20) AS unlucky"), options);
  });
  for (int tries = 0; tries < 3; ++tries) KillBackendOf("unlucky");
  const absl::Status status = read.get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(ReasonOf(status), "BACKEND_UNREACHABLE");
  EXPECT_EQ(OutcomeOf(status), v1::OUTCOME_UNKNOWN) << "a function may have done what no ROLLBACK takes back";
  EXPECT_TRUE(FactsOf(status).retry_after.has_value());
}

TEST_F(WeatherTest, CallsWaitWhilePostgresIsDown) {
  const Gateway gateway(postgres_.Url());
  ASSERT_TRUE(gateway.AwaitReady());
  const client::Database db = gateway.Client();
  postgres_.Stop(SIGINT);
  auto waits = std::async(std::launch::async, [&db] { return db.Execute(client::Statement("SELECT 1"), Patient()); });
  EXPECT_TRUE(Eventually([&db] { return !db.CheckHealth().ok(); })) << "readiness goes down";
  EXPECT_TRUE(db.CheckHealth("liveness").ok()) << "liveness does not";
  postgres_.Start();
  const absl::StatusOr<client::Result> result = waits.get();
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(gateway.AwaitReady());
}

TEST_F(WeatherTest, WhoseDeadlinePassesMeanwhileHearsWhy) {
  const Gateway gateway(postgres_.Url(), {"--call_timeout=500ms"});
  ASSERT_TRUE(gateway.AwaitReady());
  postgres_.Stop(SIGINT);
  // Without a deadline of the client's own, which would cut the answer off.
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::ExecuteRequest request;
  request.mutable_statement()->set_sql("SELECT 1");
  v1::ExecuteResponse response;
  const grpc::Status status = stub->Execute(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(absl::StrContains(status.error_message(), "no connection to the database")) << status.error_message();
  EXPECT_TRUE(absl::StrContains(status.error_details(), "QUEUE_TIMEOUT"));
  postgres_.Start();
}

TEST_F(WeatherTest, APoolerThatRestartsCostsNoRead) {
  PgBouncer pgbouncer(postgres_, PgBouncer::Options());
  const Gateway gateway(pgbouncer.Url(), {"--pool_warm=3"});
  ASSERT_TRUE(gateway.AwaitReady());
  const client::Database db = gateway.Client();
  for (int round = 0; round < 3; ++round) {
    pgbouncer.Stop(SIGTERM);
    auto waits = std::async(std::launch::async, [&db] { return db.Execute(client::Statement("SELECT 1"), Patient()); });
    pgbouncer.Start();
    const absl::StatusOr<client::Result> result = waits.get();
    EXPECT_TRUE(result.ok()) << result.status();
  }
}

TEST_F(WeatherTest, AMissingDatabaseIsSaidAtOnce) {
  const Gateway gateway(postgres_.Url("nowhere"));
  client::Database::Options once;
  once.target = gateway.address();
  once.retries_max = 0;
  const absl::StatusOr<client::Result> result = client::Database::Open(once)->Execute("SELECT 1");
  EXPECT_EQ(Reason(result), "BACKEND_UNREACHABLE");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(result.status().message(), "\"nowhere\" does not exist")) << result.status();
}

// It may have written before the server went away, and waits in vain for its second try.
TEST_F(WeatherTest, WhatMayHaveBeenDoneIsNotSaidToBeNotStarted) {
  Direct().Run(
      "CREATE TABLE effects (n int); CREATE FUNCTION sneaky() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
      "  INSERT INTO effects VALUES (1); PERFORM pg_sleep(1); RETURN 1; END $$;"
      "CREATE VIEW innocent AS SELECT sneaky()");
  const Gateway gateway(postgres_.Url(), {"--call_timeout=3s"});
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::ExecuteRequest request;
  request.mutable_statement()->set_sql("SELECT sneaky()");
  v1::ExecuteResponse response;
  auto call = std::async(std::launch::async, [&] { return stub->Execute(&context, request, &response); });
  {
    testing_support::Direct direct = Direct();
    ASSERT_TRUE(Eventually([&direct] {
      return direct.Value(
                 "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sneaky()%' AND pid <> pg_backend_pid()") ==
             "1";
    }));
  }
  postgres_.Stop(SIGQUIT);
  const grpc::Status status = call.get();
  EXPECT_EQ(status.error_details().find("NOT_STARTED"), std::string::npos) << status.error_message();
  EXPECT_NE(status.error_details().find("OUTCOME_UNKNOWN"), std::string::npos) << status.error_message();
}

TEST_F(WeatherTest, APoolerThatIsFullIsLivedWith) {
  PgBouncer::Options small;
  small.max_client_conn = 3;
  PgBouncer pgbouncer(postgres_, small);
  const Gateway gateway(pgbouncer.Url(), {"--pool_size=10"});
  // The calls may be done, in one flight, before it has looked at itself.
  ASSERT_TRUE(gateway.AwaitReady());
  const client::Database db = gateway.Client();
  std::vector<std::future<absl::StatusOr<client::Result>>> calls;
  for (int i = 0; i < 40; ++i) {
    calls.push_back(std::async(std::launch::async, [&db] { return db.Execute("SELECT pg_sleep(0.02)"); }));
  }
  for (auto& call : calls) {
    const absl::StatusOr<client::Result> result = call.get();
    EXPECT_TRUE(result.ok()) << result.status();
  }
  EXPECT_TRUE(gateway.Logs("no more connections allowed")) << gateway.log();
  // A connection more that can not be had is no reason to leave the load balancer.
  EXPECT_TRUE(db.CheckHealth().ok());
  EXPECT_FALSE(absl::StrContains(gateway.log(), "health_changed\",\"ready\":false")) << gateway.log();
}

TEST_F(WeatherTest, DrainServesWhoWaitsAndRefusesNewcomers) {
  Gateway gateway(postgres_.Url(), {"--pool_size=1"});
  ASSERT_TRUE(gateway.AwaitReady());
  const client::Database db = gateway.Client();
  std::vector<std::future<absl::StatusOr<client::Result>>> calls;
  for (int i = 0; i < 5; ++i) {
    calls.push_back(std::async(std::launch::async, [&db] { return db.Execute("SELECT pg_sleep(0.5) AS drain_mark"); }));
  }
  testing_support::Direct direct = Direct();
  ASSERT_TRUE(Eventually([&direct] {
    return direct.Value(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%drain_mark%' AND pid <> pg_backend_pid()") ==
           "1";
  }));
  gateway.process().Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&db] { return !db.CheckHealth().ok(); }));
  client::Database::Options once;
  once.target = gateway.address();
  once.retries_max = 0;
  const client::Database newcomer = *client::Database::Open(once);
  // Short, so that one that came before the Line closed does not wait in it until all is over.
  client::CallOptions briefly;
  briefly.timeout = absl::Milliseconds(50);
  EXPECT_TRUE(
      Eventually([&] { return Reason(newcomer.Execute(client::Statement("SELECT 1"), briefly)) == "DRAINING"; }));
  for (auto& call : calls) {
    const absl::StatusOr<client::Result> result = call.get();
    EXPECT_TRUE(result.ok()) << result.status();
  }
  EXPECT_EQ(gateway.process().Wait(), 0);
  EXPECT_TRUE(gateway.Logs("gateway_stopped"));
  EXPECT_EQ(direct.Value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sluice'"), "0");
}

TEST_F(WeatherTest, DrainDoesNotWaitForAHealthWatch) {
  Gateway gateway(postgres_.Url(), {"--drain_grace=1h"});
  ASSERT_TRUE(gateway.AwaitReady());
  const auto stub =
      grpc::health::v1::Health::NewStub(grpc::CreateChannel(gateway.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  const auto watch = stub->Watch(&context, grpc::health::v1::HealthCheckRequest());
  grpc::health::v1::HealthCheckResponse update;
  ASSERT_TRUE(watch->Read(&update));
  EXPECT_EQ(gateway.Drain(), 0);
}

TEST_F(WeatherTest, ASecondSignalEndsItAtOnce) {
  Gateway gateway(postgres_.Url(), {"--drain_grace=1h"});
  const client::Database db = gateway.Client();
  auto endless = std::async(std::launch::async, [&db] { return db.Execute("SELECT pg_sleep(600) AS second_signal"); });
  testing_support::Direct direct = Direct();
  ASSERT_TRUE(Eventually([&direct] {
    return direct.Value(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%second_signal%' AND pid <> "
               "pg_backend_pid()") == "1";
  }));
  gateway.process().Signal(SIGINT);
  ASSERT_TRUE(Eventually([&gateway] { return absl::StrContains(gateway.log(), "gateway_draining"); }));
  gateway.process().Signal(SIGINT);
  EXPECT_EQ(gateway.process().Wait(), 128 + SIGINT);
  EXPECT_FALSE(endless.get().ok());
}

TEST_F(WeatherTest, DrainEndsAlsoWhenACallDoesNotAndSaysWhatBecameOfIt) {
  Gateway gateway(postgres_.Url(), {"--drain_grace=300ms"});
  client::Database::Options once;
  once.target = gateway.address();
  once.retries_max = 0;
  const client::Database db = *client::Database::Open(once);
  auto endless = std::async(std::launch::async, [&db] { return db.Execute("SELECT pg_sleep(600) AS endless_mark"); });
  testing_support::Direct direct = Direct();
  ASSERT_TRUE(Eventually([&direct] {
    return direct.Value(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%endless_mark%' AND pid <> pg_backend_pid()") ==
           "1";
  }));
  EXPECT_EQ(gateway.Drain(), 0);
  const absl::Status ended = endless.get().status();
  EXPECT_EQ(ReasonOf(ended), "DRAINING") << ended;
  EXPECT_EQ(OutcomeOf(ended), v1::OUTCOME_ROLLED_BACK);
  EXPECT_TRUE(Eventually([&direct] {
    return direct.Value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sluice'") == "0";
  }));
}

// A client that is told DRAINING goes elsewhere; until it is told, it calls.
TEST_F(WeatherTest, WhoeverMeetsTheEndOfADrainHearsWhatBecameOfIt) {
  const auto call_to_the_end = [](const std::string& target) {
    client::Database::Options options;
    options.target = target;
    options.retries_max = 0;
    const client::Database db = *client::Database::Open(options);
    absl::Status last;
    while (last.ok()) last = db.Execute("SELECT pg_sleep(0.002)").status();
    return last;
  };
  for (int round = 0; round < 5; ++round) {
    Gateway gateway(postgres_.Url(), {"--drain_delay=0s", "--drain_grace=0s", "--pool_size=4"});
    ASSERT_TRUE(gateway.AwaitReady());
    std::vector<std::future<absl::Status>> callers;
    for (int i = 0; i < 20; ++i) {
      callers.push_back(std::async(std::launch::async, call_to_the_end, gateway.address()));
    }
    ASSERT_TRUE(Eventually([this] {
      return Direct().Value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.002)%'") != "1";
    }));
    EXPECT_EQ(gateway.Drain(), 0);
    for (std::future<absl::Status>& caller : callers) EXPECT_EQ(client::ReasonOf(caller.get()), "DRAINING");
  }
}

}  // namespace
}  // namespace sluice
