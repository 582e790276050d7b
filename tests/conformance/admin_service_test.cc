// sluice.v1.Admin: what operators' programs can see and do, and who may.

#include <grpcpp/create_channel.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "sluice/v1/admin.grpc.pb.h"
#include "tests/conformance/fixture.h"
#include "tests/support/certificates.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::Gateway;

class AdminServiceTest : public ConformanceTest {
 protected:
  static std::shared_ptr<grpc::Channel> ChannelTo(const Gateway& gateway) {
    return grpc::CreateChannel(gateway.AdminGrpcAddress(), grpc::InsecureChannelCredentials());
  }
  // One method, with metadata for the call.
  template <typename Request, typename Response>
  static grpc::Status Ask(const Gateway& gateway,
                          grpc::Status (v1::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                          const Request& request, Response* response,
                          const std::vector<std::pair<std::string, std::string>>& metadata = {}) {
    grpc::ClientContext context;
    for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
    return (v1::Admin::NewStub(ChannelTo(gateway)).get()->*method)(&context, request, response);
  }
  static v1::GetStatusResponse Status(const Gateway& gateway) {
    v1::GetStatusResponse response;
    const grpc::Status status = Ask(gateway, &v1::Admin::Stub::GetStatus, v1::GetStatusRequest(), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  static v1::ListCallsResponse Calls(const Gateway& gateway, int page_size = 0, const std::string& page = "") {
    v1::ListCallsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(page);
    v1::ListCallsResponse response;
    EXPECT_TRUE(Ask(gateway, &v1::Admin::Stub::ListCalls, request, &response).ok());
    return response;
  }

  Gateway observed_{postgres_->Url(), {"--admin_grpc_listen=127.0.0.1:0", "--log_format=json", "--drain_grace=10s"}};
  client::Database db_ = observed_.Client();
};

TEST_F(AdminServiceTest, StatusTellsWhatIsAndWhatWasDone) {
  ASSERT_TRUE(observed_.AwaitReady());
  ASSERT_TRUE(db_.Execute("SELECT generate_series(1, 3)").ok());
  ASSERT_FALSE(db_.Execute("SELECT 1 / 0").ok());
  ASSERT_TRUE(Eventually([this] { return Status(observed_).totals().calls() == 2; }));
  const v1::GetStatusResponse status = Status(observed_);
  EXPECT_TRUE(status.ready());
  EXPECT_EQ(status.totals().failures(), 1);
  EXPECT_GE(status.totals().flights(), 2);
  EXPECT_GE(status.totals().statements(), 2);
  EXPECT_GE(status.totals().rows(), 3);
  int64_t timed = 0;
  for (const v1::Totals::Bucket& bucket : status.totals().seconds()) timed += bucket.calls();
  EXPECT_EQ(timed, 2);
  ASSERT_EQ(status.pools_size(), 1);
  EXPECT_EQ(status.pools(0).connections_max(), 15);
  EXPECT_GE(status.pools(0).open(), 1);
  EXPECT_TRUE(absl::StartsWith(status.pools(0).server_version(), "15")) << status.pools(0).server_version();
  EXPECT_FALSE(status.pools(0).behind_pooler());
  EXPECT_GT(status.pools(0).round_trip().nanos(), 0);
  ASSERT_EQ(status.errors_size(), 1);
  EXPECT_EQ(status.errors(0).reason(), "DIVISION_BY_ZERO");
}

TEST_F(AdminServiceTest, CallsComeInPagesLongestFirstAndOneCanBeCancelled) {
  std::vector<std::future<std::string>> ends;
  for (int i = 1; i <= 3; ++i) {
    ends.push_back(std::async(std::launch::async, [this, i] {
      client::CallOptions options;
      options.tag = absl::StrCat("sleeper-", i);
      return Reason(db_.Execute(client::Statement("SELECT pg_sleep(60)"), options));
    }));
    ASSERT_TRUE(Eventually([this, i] { return Calls(observed_).calls_size() == i; }));
  }
  ASSERT_TRUE(Eventually([this] { return Calls(observed_).calls(2).has_connection(); }));
  const v1::ListCallsResponse first = Calls(observed_, 2);
  ASSERT_EQ(first.calls_size(), 2);
  EXPECT_EQ(first.calls(0).tag(), "sleeper-1");
  EXPECT_EQ(first.calls(0).statement(), "select pg_sleep(?)");
  EXPECT_GT(first.calls(0).backend_pid(), 0);
  const v1::ListCallsResponse second = Calls(observed_, 2, first.next_page_token());
  ASSERT_EQ(second.calls_size(), 1);
  EXPECT_EQ(second.calls(0).tag(), "sleeper-3");
  EXPECT_EQ(second.next_page_token(), "");
  const v1::ListCallsResponse all = Calls(observed_);
  for (const v1::Call& call : all.calls()) {
    v1::CancelCallRequest request;
    request.set_call_id(call.call_id());
    v1::CancelCallResponse response;
    ASSERT_TRUE(Ask(observed_, &v1::Admin::Stub::CancelCall, request, &response).ok());
    EXPECT_TRUE(response.found());
  }
  for (std::future<std::string>& end : ends) EXPECT_EQ(end.get(), "CANCELLED_BY_OPERATOR");
  v1::CancelCallRequest nobody;
  v1::CancelCallResponse response;
  ASSERT_TRUE(Ask(observed_, &v1::Admin::Stub::CancelCall, nobody, &response).ok());
  EXPECT_FALSE(response.found());
}

TEST_F(AdminServiceTest, StatementsAreCountedByTheirShapeTheCostliestFirst) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(db_.Execute(absl::StrCat("SELECT ", i, " AS cheap")).ok());
  ASSERT_TRUE(db_.Execute("SELECT pg_sleep(0.2)").ok());
  client::Transaction transaction = db_.Begin();
  ASSERT_TRUE(transaction.Execute("SELECT 'in a transaction'").ok());
  ASSERT_TRUE(transaction.Rollback().ok());
  v1::ListStatementsResponse response;
  ASSERT_TRUE(Ask(observed_, &v1::Admin::Stub::ListStatements, v1::ListStatementsRequest(), &response).ok());
  ASSERT_EQ(response.statements_size(), 3) << response.DebugString();
  EXPECT_EQ(response.statements(0).shape(), "select pg_sleep(?)");
  EXPECT_GE(response.statements(0).total_time().nanos(), 200'000'000);
  int64_t cheap = 0;
  for (const v1::StatementSummary& statement : response.statements()) {
    if (statement.shape() == "select ? as cheap") cheap = statement.calls();
  }
  EXPECT_EQ(cheap, 3) << response.DebugString();
}

TEST_F(AdminServiceTest, AResetPoolHasOtherConnections) {
  const auto backend = [this] { return db_.Execute("SELECT pg_backend_pid()").value()[0].Get<int64_t>(0).value(); };
  const int64_t before = backend();
  v1::ResetPoolResponse response;
  ASSERT_TRUE(Ask(observed_, &v1::Admin::Stub::ResetPool, v1::ResetPoolRequest(), &response).ok());
  EXPECT_GE(response.connections(), 1);
  testing_support::Direct direct = Direct();
  EXPECT_TRUE(Eventually(
      [&] { return direct.Value(absl::StrCat("SELECT count(*) FROM pg_stat_activity WHERE pid = ", before)) == "0"; }));
  EXPECT_NE(backend(), before);
  v1::ResetPoolRequest other;
  other.set_database("other");
  EXPECT_EQ(Ask(observed_, &v1::Admin::Stub::ResetPool, other, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(AdminServiceTest, ADrainEndsTheProcessWhenItsCallsHaveEnded) {
  std::future<std::string> call =
      std::async(std::launch::async, [this] { return Reason(db_.Execute("SELECT pg_sleep(1)")); });
  ASSERT_TRUE(Eventually([this] { return Calls(observed_).calls_size() == 1; }));
  v1::DrainResponse response;
  ASSERT_TRUE(Ask(observed_, &v1::Admin::Stub::Drain, v1::DrainRequest(), &response).ok());
  EXPECT_EQ(call.get(), "ok");
  EXPECT_EQ(observed_.process().Wait(), 0);
}

TEST_F(AdminServiceTest, AskedToDrainAgainItCutsNothingOff) {
  std::future<std::string> call =
      std::async(std::launch::async, [this] { return Reason(db_.Execute("SELECT pg_sleep(1)")); });
  ASSERT_TRUE(Eventually([this] { return Calls(observed_).calls_size() == 1; }));
  v1::DrainResponse response;
  ASSERT_TRUE(Ask(observed_, &v1::Admin::Stub::Drain, v1::DrainRequest(), &response).ok());
  ASSERT_TRUE(observed_.Logs("gateway_draining"));
  ASSERT_TRUE(Ask(observed_, &v1::Admin::Stub::Drain, v1::DrainRequest(), &response).ok());
  EXPECT_EQ(call.get(), "ok");
  EXPECT_EQ(observed_.process().Wait(), 0);
}

TEST_F(AdminServiceTest, ADrainMayHaveAnotherGrace) {
  std::future<std::string> call =
      std::async(std::launch::async, [this] { return Reason(db_.Execute("SELECT pg_sleep(60)")); });
  ASSERT_TRUE(Eventually([this] { return Calls(observed_).calls_size() == 1; }));
  v1::DrainRequest request;
  v1::DrainResponse response;
  request.mutable_grace()->set_seconds(7200);
  EXPECT_EQ(Ask(observed_, &v1::Admin::Stub::Drain, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.mutable_grace()->set_seconds(0);
  ASSERT_TRUE(Ask(observed_, &v1::Admin::Stub::Drain, request, &response).ok());
  EXPECT_EQ(observed_.process().Wait(), 0);
  // (Its client tries again, and finds nobody.)
  EXPECT_NE(call.get(), "ok");
  EXPECT_TRUE(absl::StrContains(observed_.log(), "\"reason\":\"DRAINING\"")) << observed_.log();
}

TEST_F(AdminServiceTest, HealthIsThereForProbesWithoutTls) {
  const auto stub = grpc::health::v1::Health::NewStub(ChannelTo(observed_));
  for (const char* service : {"", "liveness"}) {
    EXPECT_TRUE(Eventually([&] {
      grpc::ClientContext context;
      grpc::health::v1::HealthCheckRequest request;
      request.set_service(service);
      grpc::health::v1::HealthCheckResponse response;
      return stub->Check(&context, request, &response).ok() &&
             response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
    })) << service;
  }
}

TEST_F(AdminServiceTest, FromElsewhereOnlyCallersWithThePermissionAreOperators) {
  const testing_support::TempDir directory;
  const std::string callers = directory.Write(
      "callers.json",
      absl::StrCat(R"({"callers": [{"name": "ops", "token_sha256": ")", testing_support::TokenHash("ops-token"),
                   R"(", "permissions": ["admin"]}, {"name": "app", "token_sha256": ")",
                   testing_support::TokenHash("app-token"), R"(", "permissions": ["sql"]}]})"));
  const Gateway guarded(postgres_->Url(),
                        {"--admin_grpc_listen=127.0.0.1:0", "--log_format=json", "--callers_file=" + callers});
  const auto code = [](const Gateway& gateway, const std::string& token) {
    std::vector<std::pair<std::string, std::string>> metadata = {{"x-forwarded-for", "192.0.2.1"}};
    if (!token.empty()) metadata.emplace_back("authorization", "Bearer " + token);
    v1::GetStatusResponse response;
    return Ask(gateway, &v1::Admin::Stub::GetStatus, v1::GetStatusRequest(), &response, metadata).error_code();
  };
  EXPECT_EQ(code(guarded, "ops-token"), grpc::StatusCode::OK);
  EXPECT_EQ(code(guarded, "app-token"), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(code(guarded, ""), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(code(guarded, "guess"), grpc::StatusCode::UNAUTHENTICATED);
  // A gateway that does not know its callers knows no operator among them.
  EXPECT_EQ(code(observed_, "ops-token"), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(AdminServiceTest, CallersCanNotReachItAtTheirOwnAddress) {
  const auto stub = v1::Admin::NewStub(grpc::CreateChannel(observed_.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::DrainResponse response;
  EXPECT_EQ(stub->Drain(&context, v1::DrainRequest(), &response).error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace sluice
