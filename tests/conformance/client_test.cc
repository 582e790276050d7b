// What the C++ client does by itself: it calls again where nothing was done, or may be done twice,
// and nowhere else.

#include <future>

#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"
#include "tests/support/fault_proxy.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::FaultProxy;
using testing_support::Gateway;
using Answer = absl::StatusOr<client::Result>;

class ClientTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    Direct().Run("DROP TABLE IF EXISTS effects; CREATE TABLE effects (n int)");
  }

  static client::Database Open(const std::string& target, int retries_max) {
    client::Database::Options options;
    options.target = target;
    options.retries_max = retries_max;
    return *client::Database::Open(options);
  }

  // A gateway behind a network whose next answer with "marker" in it is lost.
  void LoseAnAnswer() {
    network_ = std::make_unique<FaultProxy>(gateway_->address().substr(std::string("unix:").size()));
    network_->CutBefore(FaultProxy::Way::kToClient, "marker");
  }
  std::string target() const { return "unix:" + network_->socket_path(); }
  std::string Effects() { return Direct().Value("SELECT count(*) FROM effects"); }

  std::unique_ptr<FaultProxy> network_;
};

constexpr char kWrite[] = "INSERT INTO effects VALUES (1) RETURNING 'mark' || 'er'";
constexpr char kRead[] = "SELECT 'mark' || 'er'";

// The Line has room for one of the two.
TEST_F(ClientTest, ACallThatWasNotStartedIsMadeAgain) {
  const Gateway narrow(postgres_->Url(), {"--pool_size=1", "--line_length_max=1"});
  ASSERT_TRUE(narrow.AwaitReady());
  testing_support::Direct holder(postgres_->ConnectionString());
  holder.Run("BEGIN; LOCK TABLE effects");
  const auto insert = [&narrow] {
    return std::async(std::launch::async,
                      [&narrow] { return Open(narrow.address(), 5).Execute("INSERT INTO effects VALUES (1)"); });
  };
  auto flying = insert();
  EXPECT_TRUE(Eventually([this] { return Direct().Value("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1"; }));
  auto one = insert(), other = insert();
  EXPECT_TRUE(narrow.Logs("GATEWAY_OVERLOADED")) << narrow.log();
  holder.Run("COMMIT");
  for (auto* call : {&flying, &one, &other}) EXPECT_EQ(Reason(call->get()), "ok");
  EXPECT_EQ(Effects(), "3");
}

TEST_F(ClientTest, AWriteWhoseAnswerWasLostIsNotMadeAgain) {
  LoseAnAnswer();
  const Answer answer = Open(target(), 5).Execute(kWrite);
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kUnavailable) << answer.status();
  EXPECT_EQ(OutcomeOf(answer.status()), v1::OUTCOME_UNKNOWN);
  EXPECT_EQ(Effects(), "1");
}

TEST_F(ClientTest, AReadOnlyCallWhoseAnswerWasLostIs) {
  LoseAnAnswer();
  client::CallOptions options;
  options.read_only = true;
  const Answer answer = Open(target(), 5).Execute(client::Statement(kRead), options);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer->Scalar<std::string>(), "marker");
}

// What looks like a read may be none: it is the caller who says so.
TEST_F(ClientTest, ACallThatOnlyLooksLikeAReadIsNotMadeAgain) {
  LoseAnAnswer();
  EXPECT_EQ(Open(target(), 5).Execute(kRead).status().code(), absl::StatusCode::kUnavailable);
}

// A sequence counts also what is rolled back.
TEST_F(ClientTest, WhatPostgresRefusesIsNotMadeAgain) {
  Direct().Run("DROP SEQUENCE IF EXISTS tries; CREATE SEQUENCE tries");
  EXPECT_EQ(Reason(Open(gateway_->address(), 5).Execute("SELECT 1 / (nextval('tries') * 0)")), "DIVISION_BY_ZERO");
  EXPECT_EQ(Direct().Value("SELECT last_value FROM tries"), "1");
}

TEST_F(ClientTest, ATokenStaysOnThisMachineWithoutTls) {
  const auto opened = [](const std::string& target) {
    client::Database::Options options;
    options.target = target;
    options.token = "secret";
    return client::Database::Open(options).status().code();
  };
  for (const char* near : {"127.0.0.1:1", "127.1.2.3:1", "localhost:1", "[::1]:1", "unix:/a"}) {
    EXPECT_EQ(opened(near), absl::StatusCode::kOk) << near;
  }
  for (const char* far : {"127.example.com:1", "localhost.example.com:1", "10.0.0.1:1", "dns:///127.0.0.1:1"}) {
    EXPECT_EQ(opened(far), absl::StatusCode::kInvalidArgument) << far;
  }
}

TEST_F(ClientTest, ItsTimeoutEndsItsTries) {
  client::CallOptions options;
  options.timeout = absl::Milliseconds(300);
  options.read_only = true;
  const Answer answer = Open("unix:/nowhere/at.all", 1000).Execute(client::Statement("SELECT 1"), options);
  EXPECT_FALSE(answer.ok());
}

}  // namespace
}  // namespace sluice
