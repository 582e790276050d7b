// What metrics and the log tell of calls.

#include <fcntl.h>
#include <grpcpp/create_channel.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>
#include <regex>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/admin_fixture.h"
#include "tests/support/sluice_command.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::Gateway;

using MetricsTest = AdminTest;

client::Database OneThatDoesNotRetry(const Gateway& gateway) {
  client::Database::Options once;
  once.target = gateway.address();
  once.retries_max = 0;
  return *client::Database::Open(once);
}

TEST_F(MetricsTest, CountWhatWasDone) {
  ASSERT_TRUE(Eventually([this] { return Metric("sluice_ready") == 1; }));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(db_.Execute("SELECT generate_series(1, 10)").ok());
  EXPECT_FALSE(db_.Execute("SELECT 1 / 0").ok());
  client::CallOptions high;
  high.priority = v1::PRIORITY_HIGH;
  ASSERT_TRUE(db_.Execute(client::Statement("CREATE TABLE IF NOT EXISTS counted ()"), high).ok());
  ASSERT_TRUE(
      Eventually([this] { return Metric(R"(sluice_requests_total{code="OK",method="Execute",tag=""})") == 4; }));
  EXPECT_EQ(Metric(R"(sluice_requests_total{code="INVALID_ARGUMENT",method="Execute",tag=""})"), 1) << Metrics();
  EXPECT_EQ(Metric(R"(sluice_errors_total{outcome="ROLLED_BACK",reason="DIVISION_BY_ZERO"})"), 1) << Metrics();
  EXPECT_EQ(Metric(R"(sluice_statements_total{command="failed",sqlstate_class="22"})"), 1);
  EXPECT_EQ(Metric(R"(sluice_statements_total{command="CREATE TABLE",sqlstate_class="00"})"), 1);
  EXPECT_EQ(Metric(R"(sluice_queue_wait_seconds_count{priority="high"})"), 1);
  EXPECT_EQ(Metric(R"(sluice_request_duration_seconds_count{method="Execute"})"), 5);
  EXPECT_GE(Metric("sluice_round_trips_total"), 5);
  EXPECT_GE(Metric("sluice_rows_total"), 30);
  EXPECT_GT(Metric("sluice_bytes_sent_total"), 0);
  EXPECT_GT(Metric("sluice_bytes_received_total"), 0);
}

TEST_F(MetricsTest, TellHowLongThingsTook) {
  ASSERT_TRUE(db_.Execute("SELECT pg_sleep(0.2)").ok());
  EXPECT_GE(Metric(R"(sluice_database_seconds_sum{method="Execute"})"), 0.2) << Metrics();
  EXPECT_GE(
      Metric(R"(db_client_operation_duration_seconds_sum{db_operation_name="SELECT",db_system_name="postgresql"})"),
      0.2);
  EXPECT_GT(Metric("db_client_connection_create_time_seconds_sum"), 0);
  EXPECT_GE(Metric("sluice_flight_statements_count"), 1);
  EXPECT_TRUE(Eventually([this] { return Metric(R"(sluice_round_trip_seconds{database="default"})") > 0; }));
}

TEST_F(MetricsTest, TellWhatIsNow) {
  const absl::Time begin = absl::Now();
  const Gateway narrow(postgres_->Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json", "--pool_size=1"});
  ASSERT_TRUE(narrow.AwaitReady());
  const client::Database db = narrow.Client();
  const auto metric = [&narrow](const std::string& series) { return MetricIn(MetricsOf(narrow), series); };
  const auto pending = [&] {
    return metric(R"(db_client_connection_pending_requests{db_client_connection_pool_name="default"})");
  };
  EXPECT_EQ(pending(), 0);
  EXPECT_EQ(metric("sluice_line_bytes"), 0);
  testing_support::Direct blocker = Direct();
  blocker.Run("SELECT pg_advisory_lock(78)");
  const auto await_lock = [&db] { return db.Execute("SELECT pg_advisory_xact_lock(78)").ok(); };
  auto flies = std::async(std::launch::async, await_lock);
  ASSERT_TRUE(Eventually([&] { return metric(R"(sluice_pool_connections{database="default",state="used"})") == 1; }));
  auto waits = std::async(std::launch::async, await_lock);
  EXPECT_TRUE(Eventually([&] { return pending() == 1; })) << MetricsOf(narrow);
  EXPECT_GT(metric("sluice_line_bytes"), 0);
  EXPECT_GT(metric(R"(sluice_pool_oldest_wait_seconds{database="default"})"), 0);
  blocker.Run("SELECT pg_advisory_unlock(78)");
  EXPECT_TRUE(flies.get());
  EXPECT_TRUE(waits.get());
  EXPECT_EQ(metric(R"(db_client_connection_max{db_client_connection_pool_name="default"})"), 1);
  EXPECT_GE(metric("sluice_start_time_seconds"), absl::ToUnixSeconds(begin));
  const std::string metrics = MetricsOf(narrow);
  EXPECT_TRUE(absl::StrContains(metrics, "sluice_build_info{version=\"")) << metrics;
  EXPECT_TRUE(absl::StrContains(metrics, ",pooler=\"no\",")) << metrics;
}

TEST_F(MetricsTest, TellWhyTransactionsWereNotCommitted) {
  Direct().Run("CREATE TABLE IF NOT EXISTS told ()");
  const auto rollbacks = [this](const std::string& cause) {
    return Metric(absl::StrCat("sluice_transaction_rollbacks_total{cause=\"", cause, "\"}"));
  };
  client::Transaction committed = db_.Begin();
  ASSERT_TRUE(committed.Execute("INSERT INTO told DEFAULT VALUES").ok());
  EXPECT_EQ(Metric("sluice_transactions_open"), 1);
  ASSERT_TRUE(committed.Commit().ok());
  client::Transaction changed_its_mind = db_.Begin();
  ASSERT_TRUE(changed_its_mind.Execute("INSERT INTO told DEFAULT VALUES").ok());
  ASSERT_TRUE(changed_its_mind.Rollback().ok());
  EXPECT_TRUE(Eventually([&] { return rollbacks("client") == 1; })) << Metrics();
  client::TransactionOptions brief;
  brief.idle_timeout = absl::Milliseconds(500);
  client::Transaction idle = db_.Begin(brief);
  ASSERT_TRUE(idle.Execute("INSERT INTO told DEFAULT VALUES").ok());
  EXPECT_TRUE(Eventually([&] { return rollbacks("idle") == 1; })) << Metrics();
  {
    client::Transaction left = db_.Begin();
    ASSERT_TRUE(left.Execute("INSERT INTO told DEFAULT VALUES").ok());
  }
  // It ends it in passing, or is only gone.
  EXPECT_TRUE(Eventually([&] { return rollbacks("client") == 2 || rollbacks("disconnect") == 1; })) << Metrics();
  EXPECT_EQ(rollbacks("error"), -1);
}

TEST_F(MetricsTest, CountNotificationsAndGaps) {
  const Gateway hub(postgres_->Url(),
                    {"--admin_listen=127.0.0.1:0", "--log_format=json", "--listen_url=" + postgres_->Url()});
  const client::Database db = hub.Client();
  client::Subscription jobs = db.Listen({"jobs"});
  ASSERT_TRUE(jobs.Next());
  ASSERT_TRUE(db.Execute("SELECT pg_notify('jobs', 'one')").ok());
  const auto has = [&hub](const std::string& line) { return absl::StrContains(MetricsOf(hub), line); };
  EXPECT_TRUE(Eventually([&] { return has("sluice_notifications_total 1\n"); }));
  EXPECT_TRUE(has("sluice_subscribers 1\n"));
  EXPECT_TRUE(has("sluice_listen_gaps_total 0\n"));
  Direct().Run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LISTEN%' AND pid <> "
      "pg_backend_pid()");
  EXPECT_TRUE(Eventually([&] { return has("sluice_listen_gaps_total 1\n"); }));
  EXPECT_TRUE(has("sluice_listener_losses_total 1\n"));
}

TEST_F(MetricsTest, CountTriesAndRetries) {
  const Gateway narrow(postgres_->Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json", "--pool_size=1",
                                          "--application_name=narrow"});
  const client::Database db = narrow.Client();
  ASSERT_TRUE(db.Execute("SELECT 1").ok());
  Direct().Run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'narrow'");
  ASSERT_TRUE(Eventually([this] {
    return Direct().Value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'narrow'") == "0";
  }));
  ASSERT_TRUE(db.Execute("SELECT 1").ok());
  const std::string metrics = MetricsOf(narrow);
  EXPECT_TRUE(absl::StrContains(metrics, "sluice_attempts_total{method=\"Execute\"} 3\n")) << metrics;
  EXPECT_TRUE(absl::StrContains(metrics, "sluice_retries_total{reason=\"BACKEND_UNREACHABLE\"} 1\n"));
  EXPECT_TRUE(absl::StrContains(metrics, "sluice_connection_discards_total{reason=\"connection lost\"} 1\n"));
}

TEST_F(MetricsTest, CountWhatWasShed) {
  const Gateway narrow(postgres_->Url(),
                       {"--admin_listen=127.0.0.1:0", "--log_format=json", "--pool_size=1", "--line_length_max=1"});
  const client::Database db = OneThatDoesNotRetry(narrow);
  testing_support::Direct blocker = Direct();
  blocker.Run("SELECT pg_advisory_lock(79)");
  const auto await_lock = [&db] { return db.Execute("SELECT pg_advisory_xact_lock(79)").status(); };
  const auto has = [&narrow](const std::string& line) { return absl::StrContains(MetricsOf(narrow), line + "\n"); };
  auto flies = std::async(std::launch::async, await_lock);
  ASSERT_TRUE(Eventually([&] { return has(R"(sluice_pool_connections{database="default",state="used"} 1)"); }));
  auto waits = std::async(std::launch::async, await_lock);
  ASSERT_TRUE(Eventually([&] { return has(R"(sluice_line_length{priority="normal"} 1)"); }));
  EXPECT_EQ(ReasonOf(await_lock()), "GATEWAY_OVERLOADED");
  EXPECT_TRUE(has(R"(sluice_shed_total{priority="normal",reason="GATEWAY_OVERLOADED"} 1)"));
  blocker.Run("SELECT pg_advisory_unlock(79)");
  EXPECT_TRUE(flies.get().ok());
  EXPECT_TRUE(waits.get().ok());
}

// Whose batch is OK all the same.
TEST_F(MetricsTest, CountStatementsOfABatchThatFailed) {
  ASSERT_TRUE(db_.ExecuteIndependent({client::Statement("SELECT 1"), client::Statement("SELECT 1 / 0")}).ok());
  EXPECT_EQ(Metric(R"(sluice_requests_total{code="OK",method="ExecuteBatch",tag=""})"), 1);
  EXPECT_EQ(Metric(R"(sluice_errors_total{outcome="ROLLED_BACK",reason="DIVISION_BY_ZERO"})"), 1) << Metrics();
  EXPECT_TRUE(observed_.Logs(
      R"("failed":[{"statement":1,"reason":"DIVISION_BY_ZERO","outcome":"ROLLED_BACK","sqlstate":"22012"}])"))
      << observed_.log();
  const std::string page = Get(observed_, "/statusz.json")->body;
  EXPECT_TRUE(absl::StrContains(page, "DIVISION_BY_ZERO")) << page;
}

TEST_F(MetricsTest, CountConflictsThatWereTriedAgain) {
  const client::Database db = OneThatDoesNotRetry(observed_);
  Direct().Run(
      "CREATE OR REPLACE FUNCTION conflict() RETURNS int LANGUAGE plpgsql AS "
      "$$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$");
  EXPECT_EQ(Reason(db.Execute("SELECT conflict()")), "SERIALIZATION_FAILURE");
  EXPECT_EQ(Metric(R"(sluice_retries_total{reason="SERIALIZATION_FAILURE"})"), 2) << Metrics();
  EXPECT_EQ(Metric(R"(sluice_attempts_total{method="Execute"})"), 3);
}

TEST_F(MetricsTest, CountWhatIsRefusedByItsTag) {
  EXPECT_EQ(Reason(db_.Execute(client::Statement("COMMIT"), Tagged("checkout.pay"))), "TRANSACTION_CONTROL");
  EXPECT_EQ(Metric(R"(sluice_requests_total{code="FAILED_PRECONDITION",method="Execute",tag="checkout.pay"})"), 1)
      << Metrics();
  EXPECT_EQ(Metric(R"(sluice_attempts_total{method="Execute"})"), 0);
}

TEST_F(MetricsTest, CountAnswersThatWereRepeated) {
  ASSERT_EQ(testing_support::RunSluice({"setup", postgres_->Url()}).exit_code, 0);
  client::CallOptions once;
  once.request_id = "counted";
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(db_.Execute(client::Statement("SELECT 1"), once).ok());
  EXPECT_EQ(Metric("sluice_replayed_total"), 2) << Metrics();
}

TEST_F(MetricsTest, CountFlightsThatWereCutShort) {
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(observed_.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  auto slow = std::async(std::launch::async, [&] {
    v1::ExecuteRequest request;
    request.mutable_statement()->set_sql("SELECT pg_sleep(60) AS to_be_cut");
    v1::ExecuteResponse response;
    return stub->Execute(&context, request, &response).error_code();
  });
  ASSERT_TRUE(Eventually([this] {
    return Direct().Value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%to_be_cut' AND state = 'active'") ==
           "1";
  }));
  context.TryCancel();
  EXPECT_EQ(slow.get(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([this] { return Metric(R"(sluice_cancel_requests_total{result="sent"})") == 1; }))
      << Metrics();
}

TEST_F(MetricsTest, CountConnectionsThatCameToNothing) {
  const auto failures = [](const std::string& url, const std::string& sqlstate_class) {
    const Gateway gateway(url, {"--admin_listen=127.0.0.1:0", "--log_format=json"});
    const std::string series = absl::StrCat("sluice_connect_failures_total{sqlstate_class=\"", sqlstate_class, "\"}");
    return Eventually([&] { return MetricIn(MetricsOf(gateway), series) > 0; });
  };
  EXPECT_TRUE(failures(postgres_->Url("no_such_database"), "3D"));
  EXPECT_TRUE(failures("postgresql://nobody@127.0.0.1:1/none", "none"));
}

// What stands behind an alert while the log itself can say nothing.
TEST_F(MetricsTest, CountLinesThatTheLogHadNoRoomFor) {
  testing_support::TempDir directory;
  const std::string pipe_path = directory.File("log");
  ASSERT_EQ(mkfifo(pipe_path.c_str(), 0600), 0);
  const int pipe = open(pipe_path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  testing_support::Process::Options options;
  options.command = {testing_support::SluicedPath(),
                     "--listen=unix:" + directory.File("sluice"),
                     "--admin_listen=127.0.0.1:0",
                     "--admin_grpc_listen=off",
                     "--log_format=json",
                     "--echo_sql"};
  options.environment = {{"DATABASE_URL", postgres_->Url()}};
  options.output_path = pipe_path;
  const testing_support::Process gateway(options);
  std::string log;
  std::smatch admin;
  ASSERT_TRUE(Eventually([&] {
    char buffer[4096];
    const ssize_t size = read(pipe, buffer, sizeof(buffer));
    if (size > 0) log.append(buffer, static_cast<size_t>(size));
    return std::regex_search(log, admin, std::regex("\"admin\":\"([^\"]+)\""));
  })) << log;
  // From here on nobody reads. 16 MiB of texts may wait, and as many are being written.
  const client::Database db = *client::Database::Open("unix:" + directory.File("sluice"));
  const std::string long_text = absl::StrCat("SELECT 1 -- ", std::string(500000, 'x'));
  for (int i = 0; i < 80; ++i) ASSERT_TRUE(db.Execute(long_text).ok());
  EXPECT_GT(MetricIn(Get(admin.str(1), "/metrics")->body, "sluice_log_lines_dropped_total"), 0);
  close(pipe);
}

TEST_F(MetricsTest, ATagIsInMetricsLogAndDatabase) {
  const absl::StatusOr<client::Result> seen =
      db_.Execute(client::Statement("SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid() -- its own"),
                  Tagged("checkout.load_cart"));
  ASSERT_TRUE(seen.ok()) << seen.status();
  EXPECT_TRUE(absl::EndsWith(*seen->Scalar<std::string>(), "-- its own\n/*tag='checkout.load_cart'*/"));
  EXPECT_FALSE(db_.Execute(client::Statement("SELECT 1 / 0"), Tagged("checkout.pay")).ok());
  EXPECT_EQ(Metric(R"(sluice_requests_total{code="OK",method="Execute",tag="checkout.load_cart"})"), 1);
  EXPECT_TRUE(observed_.Logs("\"tag\":\"checkout.pay\""));
  for (const char* bad : {"*/ DROP TABLE x; /*", "two words", "it's", "ümläut"}) {
    EXPECT_EQ(Reason(db_.Execute(client::Statement("SELECT 1"), Tagged(bad))), "INVALID_FIELD") << bad;
  }
  EXPECT_EQ(Reason(db_.Execute(client::Statement("SELECT 1"), Tagged(std::string("a\0b", 3)))), "INVALID_FIELD");
  EXPECT_TRUE(db_.Execute(client::Statement("SELECT 1"), Tagged(std::string(64, 'x'))).ok());
  EXPECT_EQ(Reason(db_.Execute(client::Statement("SELECT 1"), Tagged(std::string(65, 'x')))), "INVALID_FIELD");
}

TEST_F(MetricsTest, TagsAreFewWhateverCallersSend) {
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(db_.Execute(client::Statement("SELECT 1"), Tagged(absl::StrCat("tag", i))).ok());
  }
  EXPECT_GT(Metric(R"(sluice_requests_total{code="OK",method="Execute",tag="other"})"), 100);
}

TEST_F(MetricsTest, SlowCallsAreLoggedWithoutTheirValues) {
  const Gateway strict(postgres_->Url(), {"--slow_call=500ms", "--log_format=json"});
  ASSERT_TRUE(strict.Client().Execute("SELECT pg_sleep(0.6), 'ada@example.org'").ok());
  ASSERT_TRUE(strict.Client().Execute("SELECT 'quick'").ok());
  EXPECT_TRUE(strict.Logs("\"statement\":\"select pg_sleep(?), ?\"")) << strict.log();
  EXPECT_FALSE(absl::StrContains(strict.log(), "ada@"));
  EXPECT_FALSE(absl::StrContains(strict.log(), "\"select ?\""));
}

TEST_F(MetricsTest, ASlowStatementOfATransactionIsLoggedAtItsEnd) {
  const Gateway strict(postgres_->Url(), {"--slow_call=500ms", "--log_format=json"});
  client::Transaction transaction = strict.Client().Begin();
  ASSERT_TRUE(transaction.Execute("SELECT 'quick'").ok());
  ASSERT_TRUE(transaction.Execute("SELECT pg_sleep(0.6), 'ada@example.org'").ok());
  ASSERT_TRUE(transaction.Commit().ok());
  EXPECT_TRUE(strict.Logs("\"statement\":\"select pg_sleep(?), ?\"")) << strict.log();
  EXPECT_FALSE(absl::StrContains(strict.log(), "\"select ?\"")) << strict.log();
}

TEST_F(MetricsTest, TellHowCallsSharedFlights) {
  const Gateway narrow(postgres_->Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json", "--pool_size=1"});
  ASSERT_TRUE(narrow.AwaitReady());
  testing_support::Direct blocker = Direct();
  blocker.Run("SELECT pg_advisory_lock(77)");
  const client::Database db = narrow.Client();
  // What a statement costs is known once it has flown alone.
  ASSERT_TRUE(db.Execute("SELECT $1", 0).ok());
  auto first = std::async(std::launch::async, [&] { return db.Execute("SELECT pg_advisory_xact_lock(77)"); });
  ASSERT_TRUE(Eventually([this] {
    return Direct().Value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == "1";
  }));
  std::vector<std::future<absl::StatusOr<client::Result>>> others;
  for (int i = 0; i < 6; ++i) {
    others.push_back(std::async(std::launch::async, [&db, i] { return db.Execute("SELECT $1", i / 2); }));
  }
  const auto line_has_six = [&] {
    return absl::StrContains(MetricsOf(narrow), "sluice_line_length{priority=\"normal\"} 6");
  };
  EXPECT_TRUE(Eventually(line_has_six));
  EXPECT_TRUE(absl::StrContains(MetricsOf(narrow), "state=\"used\"} 1"));
  blocker.Run("SELECT pg_advisory_unlock(77)");
  EXPECT_TRUE(first.get().ok());
  for (auto& other : others) EXPECT_TRUE(other.get().ok());
  const std::string metrics = MetricsOf(narrow);
  EXPECT_TRUE(absl::StrContains(metrics, "sluice_coalesced_statements_sum 6")) << metrics;
  EXPECT_TRUE(absl::StrContains(metrics, "sluice_consolidated_total{where=\"flight\"} 3")) << metrics;
}

TEST_F(MetricsTest, PromtoolHasNothingToSayAboutThem) {
  ASSERT_FALSE(db_.Execute("SELECT 1 / 0").ok());
  testing_support::TempDir directory;
  testing_support::Process::Options promtool;
  promtool.command = {"promtool", "check", "metrics"};
  promtool.input_path = directory.Write("metrics", Metrics());
  promtool.output_path = directory.File("output");
  const int exit_code = testing_support::Process(promtool).Wait();
  EXPECT_EQ(exit_code, 0) << testing_support::ReadFile(promtool.output_path);
  EXPECT_EQ(testing_support::ReadFile(promtool.output_path), "");
}

TEST_F(MetricsTest, WhatAlertsLookAtIsThereFromTheStart) {
  const Gateway fresh(postgres_->Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json"});
  const std::string metrics = "\n" + MetricsOf(fresh);
  const std::string alerts = testing_support::ReadFile("deploy/prometheus/alerts.yaml");
  const std::regex name("(sluice|db_client)_[a-z_]+[a-z]");
  int names = 0;
  for (std::sregex_iterator at(alerts.begin(), alerts.end(), name), end; at != end; ++at, ++names) {
    const std::string series = "\n" + at->str();
    EXPECT_TRUE(absl::StrContains(metrics, series + " ") || absl::StrContains(metrics, series + "{")) << at->str();
  }
  EXPECT_GE(names, 10);
  EXPECT_TRUE(absl::StrContains(metrics, "sluice_outcome_unknown_total{method=\"Execute\"} 0\n"));
}

TEST_F(MetricsTest, WhateverCallersSendSeriesAreBounded) {
  const auto series = [this] {
    const std::vector<std::string> lines = absl::StrSplit(Metrics(), '\n');
    return lines.size();
  };
  const auto raise = [this](int from, int to) {
    for (int i = from; i < to; ++i) {
      EXPECT_FALSE(db_.Execute(absl::StrCat("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '", i, "'; END $$")).ok());
    }
  };
  raise(60000, 60500);
  const size_t before = series();
  raise(70000, 70500);
  EXPECT_LE(series(), before + 20);
  // The gateway's own reasons are not lost among them.
  EXPECT_FALSE(db_.Execute(client::Statement("SELECT 1"), Tagged("not one")).ok());
  EXPECT_EQ(Metric(R"(sluice_errors_total{outcome="NOT_STARTED",reason="INVALID_FIELD"})"), 1);
}

}  // namespace
}  // namespace sluice
