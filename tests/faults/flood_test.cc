// Clients that stay within HTTP/2's rules, or near them, and do what no client library does: others are served
// meanwhile, and what the gateway holds for such a client is bounded.

#include <grpcpp/create_channel.h>
#include <httplib.h>
#include <sys/resource.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"
#include "tests/support/hostile_client.h"

namespace sluice {
namespace {

using testing_support::Gateway;
using testing_support::HostileClient;
using Flood = HostileClient::Flood;

constexpr int kMany = 1000000;

class FloodTest : public ConformanceTest {
 protected:
  static std::unique_ptr<HostileClient> Client(const Gateway& gateway) {
    return std::make_unique<HostileClient>(std::string(absl::StripPrefix(gateway.address(), "unix:")));
  }

  // The flood comes, and somebody else's calls are answered while it stands. Returns how much of it left.
  static int Endure(const Gateway& gateway, Flood flood, int count) {
    v1::ExecuteRequest request;
    request.mutable_statement()->set_sql("SELECT 1");
    const std::unique_ptr<HostileClient> client = Client(gateway);
    const int sent = client->Send(flood, count, "/sluice.v1.Database/Execute", request.SerializeAsString());
    // Else there was none.
    EXPECT_GT(sent, 100);
    ExpectService(gateway);
    return sent;
  }

  // The same of one of which nothing may stay in memory.
  static int EndureInNoMemory(Flood flood, int count) {
    Gateway gateway(postgres_->Url());
    ExpectService(gateway);
    [[maybe_unused]] const int64_t before = ResidentKib(&gateway);
    const int sent = Endure(gateway, flood, count);
#ifndef __SANITIZE_ADDRESS__  // which keeps what is freed
    EXPECT_LT(ResidentKib(&gateway) - before, 100 << 10) << sent;
#endif
    return sent;
  }

  static int64_t ResidentKib(Gateway* gateway) {
    return testing_support::StatusOfProcess(gateway->process().pid(), "VmRSS");
  }

  static void ExpectService(const Gateway& gateway) {
    client::CallOptions options;
    options.timeout = absl::Seconds(30);
    const absl::StatusOr<client::Result> result = gateway.Client().Execute(client::Statement("SELECT 1"), options);
    EXPECT_TRUE(result.ok()) << result.status();
  }
};

TEST_F(FloodTest, OfCallsThatAreResetIsWorkedOff) { EXPECT_EQ(Endure(*gateway_, Flood::kResets, 20000), 20000); }

TEST_F(FloodTest, OfCallsThatNeverAskEndsItsConnection) {
  EXPECT_LT(Endure(*gateway_, Flood::kCallsWithoutRequest, 40000), 40000);
}

TEST_F(FloodTest, OfPingsEndsItsConnection) { EXPECT_LT(EndureInNoMemory(Flood::kPings, kMany), kMany); }

TEST_F(FloodTest, OfSettingsEndsItsConnection) { EXPECT_LT(EndureInNoMemory(Flood::kSettings, kMany), kMany); }

// gRPC 1.51 keeps them (docs/security.md).
TEST_F(FloodTest, OfHeadersWithoutAnEndKeepsNobodyWaiting) { Endure(*gateway_, Flood::kEndlessHeaders, kMany); }

TEST_F(FloodTest, OfEmptyDataIsNotKept) { EndureInNoMemory(Flood::kEmptyData, kMany); }

// Those that wait for a connection are bounded by the Line, and these by the gateway.
TEST_F(FloodTest, OfTransactionsThatDoNotBeginIsRefusedPastABound) {
  // Calls: twice the Line, and the pool.
  const Gateway gateway(postgres_->Url(),
                        {"--line_length_max=10", "--pool_size=2", "--admin_listen=127.0.0.1:0", "--log_format=json"});
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway.address(), grpc::InsecureChannelCredentials()));
  constexpr int kBound = 22;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReaderWriter<v1::TransactRequest, v1::TransactResponse>>> calls;
  const auto call = [&] {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    calls.push_back(stub->Transact(contexts.back().get()));
  };
  for (int i = 0; i < kBound; ++i) call();
  httplib::Client browser(absl::StrCat("http://", gateway.AdminAddress()));
  ASSERT_TRUE(testing_support::Eventually([&] {
    return absl::StrContains(browser.Get("/metrics")->body, absl::StrCat("sluice_calls_in_progress ", kBound, "\n"));
  }));
  call();
  // Without a message of its own, and without the five seconds that the others have for theirs.
  const absl::Time begin = absl::Now();
  const grpc::Status refused = calls.back()->Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << refused.error_message();
  EXPECT_NE(refused.error_details().find("GATEWAY_OVERLOADED"), std::string::npos);
  EXPECT_NE(refused.error_details().find("RetryInfo"), std::string::npos);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(4));
  calls.front()->WritesDone();
  EXPECT_NE(calls.front()->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

// gRPC takes no connection any more, ever, once the process has had no descriptor for one (grpc/grpc#20418).
TEST_F(FloodTest, OfConnectionsIsTakenAsFarAsTheSystemAllowsIt) {
  rlimit usual = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
  ASSERT_GE(usual.rlim_max, 4096u);
  const rlimit scarce = {256, usual.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &scarce), 0);
  const Gateway gateway(postgres_->Url());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);

  std::vector<std::unique_ptr<HostileClient>> crowd;
  for (int i = 0; i < 400; ++i) crowd.push_back(Client(gateway));
  const absl::StatusOr<client::Result> result = gateway.Client().Execute("SELECT 1");
  EXPECT_TRUE(result.ok()) << result.status();
}

}  // namespace
}  // namespace sluice
