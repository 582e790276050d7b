// The operators' port: what it tells, and whom.

#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <httplib.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"
#include "tests/support/certificates.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::Gateway;

class AdminTest : public ConformanceTest {
 protected:
  AdminTest()
      : observed_(postgres_->Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json"}), db_(observed_.Client()) {}

  static httplib::Result Get(const Gateway& gateway, const std::string& page, const httplib::Headers& headers = {}) {
    httplib::Client browser(absl::StrCat("http://", gateway.AdminAddress()));
    return browser.Get(page.c_str(), headers);
  }
  // Without an HTTP client.
  static int Connect(const Gateway& gateway) {
    const std::string address = gateway.AdminAddress();
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in place = {};
    place.sin_family = AF_INET;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    place.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    if (connect(fd, reinterpret_cast<sockaddr*>(&place), sizeof(place)) != 0) std::abort();
    return fd;
  }
  std::string Metrics() { return Get(observed_, "/metrics")->body; }
  // Of the series with exactly this name and these labels; -1 if there is none.
  double Metric(const std::string& series) {
    for (const absl::string_view line : absl::StrSplit(Metrics(), '\n')) {
      double value = 0;
      if (absl::StartsWith(line, series + " ") && absl::SimpleAtod(line.substr(series.size() + 1), &value))
        return value;
    }
    return -1;
  }

  Gateway observed_;
  client::Database db_;
};

TEST_F(AdminTest, MetricsCountWhatWasDone) {
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

TEST_F(AdminTest, MetricsTellWhyTransactionsWereNotCommitted) {
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
  brief.idle_timeout = absl::Milliseconds(50);
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

TEST_F(AdminTest, MetricsCountNotificationsAndGaps) {
  const Gateway hub(postgres_->Url(),
                    {"--admin_listen=127.0.0.1:0", "--log_format=json", "--listen_url=" + postgres_->Url()});
  const client::Database db = hub.Client();
  client::Subscription jobs = db.Listen({"jobs"});
  ASSERT_TRUE(jobs.Next());
  ASSERT_TRUE(db.Execute("SELECT pg_notify('jobs', 'one')").ok());
  const auto has = [&hub](const std::string& line) { return absl::StrContains(Get(hub, "/metrics")->body, line); };
  EXPECT_TRUE(Eventually([&] { return has("sluice_notifications_total 1\n"); }));
  EXPECT_TRUE(has("sluice_subscribers 1\n"));
  EXPECT_TRUE(has("sluice_listen_gaps_total 0\n"));
  Direct().Run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LISTEN%' AND pid <> "
      "pg_backend_pid()");
  EXPECT_TRUE(Eventually([&] { return has("sluice_listen_gaps_total 1\n"); }));
}

TEST_F(AdminTest, MetricsCountTriesAndRetries) {
  const Gateway narrow(postgres_->Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json", "--pool_size=1",
                                          "--application_name=narrow"});
  const client::Database db = narrow.Client();
  ASSERT_TRUE(db.Execute("SELECT 1").ok());
  Direct().Run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'narrow'");
  ASSERT_TRUE(Eventually([this] {
    return Direct().Value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'narrow'") == "0";
  }));
  ASSERT_TRUE(db.Execute("SELECT 1").ok());
  const std::string metrics = Get(narrow, "/metrics")->body;
  EXPECT_TRUE(absl::StrContains(metrics, "sluice_attempts_total{method=\"Execute\"} 3\n")) << metrics;
  EXPECT_TRUE(absl::StrContains(metrics, "sluice_retries_total{reason=\"BACKEND_UNREACHABLE\"} 1\n"));
  EXPECT_TRUE(absl::StrContains(metrics, "sluice_connection_discards_total{reason=\"connection lost\"} 1\n"));
}

TEST_F(AdminTest, MetricsCountWhatWasShed) {
  const Gateway narrow(postgres_->Url(),
                       {"--admin_listen=127.0.0.1:0", "--log_format=json", "--pool_size=1", "--line_length_max=1"});
  client::Database::Options once;
  once.target = narrow.address();
  once.retries_max = 0;
  const client::Database db = *client::Database::Open(once);
  const auto take_a_nap = [&db] { return db.Execute("SELECT pg_sleep(1)").status(); };
  const auto has = [&narrow](const std::string& line) {
    return absl::StrContains(Get(narrow, "/metrics")->body, line + "\n");
  };
  auto flies = std::async(std::launch::async, take_a_nap);
  ASSERT_TRUE(Eventually([&] { return has(R"(sluice_pool_connections{database="default",state="used"} 1)"); }));
  auto waits = std::async(std::launch::async, take_a_nap);
  ASSERT_TRUE(Eventually([&] { return has(R"(sluice_line_length{priority="normal"} 1)"); }));
  EXPECT_EQ(ReasonOf(take_a_nap()), "GATEWAY_OVERLOADED");
  EXPECT_TRUE(has(R"(sluice_shed_total{priority="normal",reason="GATEWAY_OVERLOADED"} 1)"));
  EXPECT_TRUE(flies.get().ok());
  EXPECT_TRUE(waits.get().ok());
}

client::CallOptions Tagged(const std::string& tag) {
  client::CallOptions options;
  options.tag = tag;
  return options;
}

TEST_F(AdminTest, ATagIsInMetricsLogAndDatabase) {
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

TEST_F(AdminTest, TagsAreFewWhateverCallersSend) {
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(db_.Execute(client::Statement("SELECT 1"), Tagged(absl::StrCat("tag", i))).ok());
  }
  EXPECT_GT(Metric(R"(sluice_requests_total{code="OK",method="Execute",tag="other"})"), 100);
}

TEST_F(AdminTest, SlowCallsAreLoggedWithoutTheirValues) {
  const Gateway strict(postgres_->Url(), {"--slow_call=50ms", "--log_format=json"});
  ASSERT_TRUE(strict.Client().Execute("SELECT pg_sleep(0.1), 'ada@example.org'").ok());
  ASSERT_TRUE(strict.Client().Execute("SELECT 'quick'").ok());
  EXPECT_TRUE(strict.Logs("\"statement\":\"select pg_sleep(?), ?\"")) << strict.log();
  EXPECT_FALSE(absl::StrContains(strict.log(), "ada@"));
  EXPECT_FALSE(absl::StrContains(strict.log(), "\"select ?\""));
}

TEST_F(AdminTest, ASlowStatementOfATransactionIsLoggedAtItsEnd) {
  const Gateway strict(postgres_->Url(), {"--slow_call=50ms", "--log_format=json"});
  client::Transaction transaction = strict.Client().Begin();
  ASSERT_TRUE(transaction.Execute("SELECT 'quick'").ok());
  ASSERT_TRUE(transaction.Execute("SELECT pg_sleep(0.1), 'ada@example.org'").ok());
  ASSERT_TRUE(transaction.Commit().ok());
  EXPECT_TRUE(strict.Logs("\"statement\":\"select pg_sleep(?), ?\"")) << strict.log();
  EXPECT_FALSE(absl::StrContains(strict.log(), "\"select ?\"")) << strict.log();
}

TEST_F(AdminTest, MetricsTellHowCallsSharedFlights) {
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
    return absl::StrContains(Get(narrow, "/metrics")->body, "sluice_line_length{priority=\"normal\"} 6");
  };
  EXPECT_TRUE(Eventually(line_has_six));
  EXPECT_TRUE(absl::StrContains(Get(narrow, "/metrics")->body, "state=\"used\"} 1"));
  blocker.Run("SELECT pg_advisory_unlock(77)");
  EXPECT_TRUE(first.get().ok());
  for (auto& other : others) EXPECT_TRUE(other.get().ok());
  const std::string metrics = Get(narrow, "/metrics")->body;
  EXPECT_TRUE(absl::StrContains(metrics, "sluice_coalesced_statements_sum 6")) << metrics;
  EXPECT_TRUE(absl::StrContains(metrics, "sluice_consolidated_total{where=\"flight\"} 3")) << metrics;
}

TEST_F(AdminTest, PromtoolHasNothingToSayAboutThem) {
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

TEST_F(AdminTest, WhatAlertsLookAtIsThereFromTheStart) {
  const Gateway fresh(postgres_->Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json"});
  const std::string metrics = "\n" + Get(fresh, "/metrics")->body;
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

TEST_F(AdminTest, WhateverCallersSendSeriesAreBounded) {
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

TEST_F(AdminTest, LivezIsTheProcessAndReadyzTheDatabase) {
  ASSERT_TRUE(observed_.AwaitReady());
  EXPECT_EQ(Get(observed_, "/livez")->status, 200);
  EXPECT_EQ(Get(observed_, "/readyz")->status, 200);
  const Gateway lost("postgresql://nobody@127.0.0.1:1/none", {"--admin_listen=127.0.0.1:0", "--log_format=json"});
  EXPECT_EQ(Get(lost, "/livez")->status, 200);
  ASSERT_TRUE(Eventually([&] { return absl::StrContains(Get(lost, "/readyz")->body, "refused"); }));
  EXPECT_EQ(Get(lost, "/readyz")->status, 503);
}

TEST_F(AdminTest, StatuszTellsWhatIsNow) {
  ASSERT_TRUE(observed_.AwaitReady());
  const nlohmann::json status = nlohmann::json::parse(Get(observed_, "/statusz.json")->body);
  EXPECT_EQ(status["ready"], true);
  EXPECT_EQ(status["pools"][0]["connections_max"], 15);
  EXPECT_GE(status["pools"][0]["open"], 1);
  EXPECT_FALSE(status["pools"][0]["server_version"].is_null());
}

TEST_F(AdminTest, AnOperatorSeesTheLastErrorsWithoutTheirValues) {
  for (int i = 0; i < 2; ++i) {
    ASSERT_FALSE(db_.Execute(client::Statement("SELECT 'ada@example.org'::int"), Tagged("users.load")).ok());
  }
  const std::string page = Get(observed_, "/statusz.json")->body;
  const nlohmann::json error = nlohmann::json::parse(page)["last_errors"][0];
  EXPECT_EQ(error["reason"], "INVALID_TEXT_REPRESENTATION") << page;
  EXPECT_EQ(error["count"], 2);
  EXPECT_EQ(error["sqlstate"], "22P02");
  EXPECT_EQ(error["tag"], "users.load");
  EXPECT_FALSE(absl::StrContains(page, "ada@"));
}

TEST_F(AdminTest, AnOperatorSeesAndEndsALongCall) {
  const auto cancel = [this](int64_t id, const httplib::Headers& headers) {
    httplib::Client browser(absl::StrCat("http://", observed_.AdminAddress()));
    return browser.Post(absl::StrCat("/calls/", id, "/cancel").c_str(), headers, "", "text/plain")->status;
  };
  auto slow = std::async(std::launch::async, [this] {
    return db_.Execute(client::Statement("SELECT pg_sleep($1), 'secret'", 60.0), Tagged("reports.yearly"));
  });
  nlohmann::json call;
  ASSERT_TRUE(Eventually([&] {
    const nlohmann::json calls = nlohmann::json::parse(Get(observed_, "/statusz.json")->body)["longest_calls"];
    if (!calls.empty()) call = calls[0];
    return !calls.empty() && call["state"] == "on a connection";
  }));
  EXPECT_EQ(call["method"], "Execute");
  EXPECT_EQ(call["caller"], "anonymous");
  EXPECT_EQ(call["tag"], "reports.yearly");
  EXPECT_EQ(call["statement"], "select pg_sleep(?), ?");
  EXPECT_EQ(Direct().Value(absl::StrCat("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid = ",
                                        call["backend_pid"].get<int>())),
            "1");
  EXPECT_EQ(cancel(call["id"], {}), 403);
  EXPECT_EQ(cancel(call["id"], {{"X-Sluice", "1"}, {"Host", "evil.example"}}), 403);
  EXPECT_EQ(cancel(call["id"], {{"X-Sluice", "1"}}), 200);
  const absl::Status ended = slow.get().status();
  EXPECT_EQ(ReasonOf(ended), "CANCELLED_BY_OPERATOR") << observed_.log();
  EXPECT_EQ(OutcomeOf(ended), v1::OUTCOME_ROLLED_BACK);
  EXPECT_TRUE(Eventually([&] { return cancel(call["id"], {{"X-Sluice", "1"}}) == 404; }));
}

TEST_F(AdminTest, AnOperatorEndsATransactionThatHasNotBegun) {
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(observed_.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  const auto call = stub->Transact(&context);
  v1::TransactRequest begin;
  begin.mutable_begin();
  ASSERT_TRUE(call->Write(begin));
  const auto calls = [&] { return nlohmann::json::parse(Get(observed_, "/statusz.json")->body)["longest_calls"]; };
  ASSERT_TRUE(Eventually([&] { return calls().size() == 1; }));
  httplib::Client browser(absl::StrCat("http://", observed_.AdminAddress()));
  const std::string page = absl::StrCat("/calls/", calls()[0]["id"].get<int64_t>(), "/cancel");
  EXPECT_EQ(browser.Post(page.c_str(), {{"X-Sluice", "1"}}, "", "text/plain")->status, 200);
  const grpc::Status ended = call->Finish();
  EXPECT_NE(ended.error_details().find("CANCELLED_BY_OPERATOR"), std::string::npos) << ended.error_message();
  EXPECT_TRUE(Eventually([&] { return Metric("sluice_transaction_rollbacks_total{cause=\"operator\"}") == 1; }));
}

// Who sends byte by byte keeps its thread, but not the gateway.
// As curl -X POST sends it: the library would wait 5 s for a body, and then refuse it.
TEST_F(AdminTest, ACancelNeedsNoBody) {
  const int fd = Connect(observed_);
  const std::string request =
      absl::StrCat("POST /calls/4711/cancel HTTP/1.1\r\nHost: ", observed_.AdminAddress(), "\r\nX-Sluice: 1\r\n\r\n");
  ASSERT_EQ(send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  char answer[1000] = {};
  ASSERT_GT(recv(fd, answer, sizeof(answer) - 1, 0), 0);
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 404")) << answer;
  close(fd);
}

TEST_F(AdminTest, AVisitorWhoDawdlesDoesNotHoldUpTheEnd) {
  Gateway gateway(postgres_->Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json"});
  const int fd = Connect(gateway);
  std::atomic<bool> over{false};
  auto dawdler = std::async(std::launch::async, [&] {
    while (!over && send(fd, "G", 1, MSG_NOSIGNAL) == 1)
      Eventually([&] { return over.load(); }, absl::Milliseconds(200));
  });
  EXPECT_EQ(Get(gateway, "/livez")->status, 200);
  const absl::Time begin = absl::Now();
  EXPECT_EQ(gateway.Drain(), 0);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
  over = true;
  dawdler.get();
  close(fd);
}

TEST_F(AdminTest, AnOperatorEndsWhatWaitsAndWhatIsIdle) {
  Gateway narrow(postgres_->Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json", "--pool_size=2"});
  const client::Database db = narrow.Client();
  client::Transaction idle = db.Begin();
  ASSERT_TRUE(idle.Execute("SELECT 1").ok());
  client::Transaction waits = db.Begin();
  auto waiting = std::async(std::launch::async, [&] { return waits.Execute("SELECT 2").status(); });
  const auto calls = [&] { return nlohmann::json::parse(Get(narrow, "/statusz.json")->body)["longest_calls"]; };
  ASSERT_TRUE(Eventually([&] { return calls().size() == 2; }));
  const nlohmann::json two = calls();
  EXPECT_EQ(two[0]["state"], "on a connection");
  EXPECT_EQ(two[1]["state"], "waiting");
  httplib::Client browser(absl::StrCat("http://", narrow.AdminAddress()));
  for (const int place : {1, 0}) {
    const std::string page = absl::StrCat("/calls/", two[place]["id"].get<int64_t>(), "/cancel");
    EXPECT_EQ(browser.Post(page.c_str(), {{"X-Sluice", "1"}}, "", "text/plain")->status, 200);
  }
  EXPECT_EQ(ReasonOf(waiting.get()), "CANCELLED_BY_OPERATOR");
  EXPECT_EQ(ReasonOf(idle.Execute("SELECT 3").status()), "CANCELLED_BY_OPERATOR");
  EXPECT_TRUE(Eventually([&] { return calls().empty(); }));
}

TEST_F(AdminTest, StrangersSeeNoMoreThanAProbeNeeds) {
  const httplib::Headers another_name = {{"Host", "evil.example"}};
  EXPECT_EQ(Get(observed_, "/livez", another_name)->status, 200);
  EXPECT_EQ(Get(observed_, "/metrics", another_name)->status, 200);
  EXPECT_EQ(Get(observed_, "/statusz.json", another_name)->status, 403);
  for (const char* host :
       {"127.evil.example", "localhost.evil.example", "[::1].evil.example:80", "127.0.0.1.evil.example"}) {
    EXPECT_EQ(Get(observed_, "/statusz.json", {{"Host", host}})->status, 403) << host;
  }
  EXPECT_EQ(Get(observed_, "/statusz.json", {{"X-Forwarded-For", "203.0.113.7"}})->status, 403);
  EXPECT_EQ(Get(observed_, "/metrics", {{"Range", "bytes=0-,0-"}})->status, 400);
  EXPECT_EQ(Get(observed_, "/statusz.json", {{"Host", "[::1]:7433"}})->status, 200);
  EXPECT_EQ(Get(observed_, "/statusz.json")->status, 200);
}

TEST_F(AdminTest, ACallerWithThePermissionMaySeeAll) {
  testing_support::TempDir directory;
  const std::string callers = directory.Write(
      "callers.json", absl::StrCat(R"({"callers": [{"name": "operator", "token_sha256": ")",
                                   testing_support::TokenHash("operators"), R"(", "permissions": ["admin"]},
                                   {"name": "shop", "token_sha256": ")",
                                   testing_support::TokenHash("shops"), R"(", "permissions": ["sql"]}]})"));
  const Gateway known(postgres_->Url(),
                      {"--admin_listen=127.0.0.1:0", "--log_format=json", "--callers_file=" + callers});
  const auto status_for = [&known](const std::string& token) {
    return Get(known, "/statusz.json", {{"Host", "gateway.example"}, {"Authorization", "Bearer " + token}})->status;
  };
  EXPECT_EQ(status_for("operators"), 200);
  EXPECT_EQ(status_for("shops"), 403);
  EXPECT_EQ(status_for("nobodys"), 403);
}

TEST_F(AdminTest, APortThatIsTakenIsSaidAtOnce) {
  testing_support::TempDir directory;
  testing_support::Process::Options second;
  second.command = {testing_support::SluicedPath(), absl::StrCat("--admin_listen=", observed_.AdminAddress()),
                    absl::StrCat("--listen=unix:", directory.File("socket"))};
  second.environment = {{"DATABASE_URL", postgres_->Url()}};
  second.output_path = directory.File("output");
  testing_support::Process process(second);
  EXPECT_EQ(process.Wait(), 69);
  EXPECT_TRUE(
      absl::StrContains(testing_support::ReadFile(second.output_path), "Address already in use (another gateway's?"))
      << testing_support::ReadFile(second.output_path);
}

TEST_F(AdminTest, WhileItDrainsItSaysSo) {
  Gateway draining(postgres_->Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json"},
                   {{"SLUICE_DRAIN_DELAY", "30s"}});
  ASSERT_TRUE(draining.AwaitReady());
  draining.process().Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&] { return Get(draining, "/readyz")->body == "draining\n"; }));
  EXPECT_EQ(Get(draining, "/livez")->status, 200);
}

}  // namespace
}  // namespace sluice
