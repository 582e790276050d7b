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
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/admin_fixture.h"
#include "tests/support/certificates.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::Gateway;

// Without an HTTP client.
int Connect(const Gateway& gateway) {
  const std::string address = gateway.AdminAddress();
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in place = {};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  place.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  if (connect(fd, reinterpret_cast<sockaddr*>(&place), sizeof(place)) != 0) std::abort();
  return fd;
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
  EXPECT_EQ(MetricIn(MetricsOf(draining), "sluice_draining"), 1);
  EXPECT_EQ(Get(draining, "/livez")->status, 200);
}

}  // namespace
}  // namespace sluice
