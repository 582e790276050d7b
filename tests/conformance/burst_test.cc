// The case that brings people here: a burst of calls on a pooler with 200 client slots and
// 15 server connections. Connections to the pooler lose most of it; calls lose nothing.

#include <grpcpp/create_channel.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

class BurstTest : public ConformanceTest {};

// All calls at once on one channel; returns how many failed and the first error.
int FailuresOf(const std::string& address, int calls, std::string* first_error) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  const auto stub = v1::Database::NewStub(channel);
  struct OneCall {
    grpc::ClientContext context;
    v1::ExecuteResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::ExecuteResponse>> reader;
  };
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<OneCall>> all;
  for (int i = 0; i < calls; ++i) {
    v1::ExecuteRequest request;
    request.mutable_statement()->set_sql("SELECT pg_sleep(0.002), $1::int4");
    request.mutable_statement()->add_params()->set_int32_value(i);
    auto& call = *all.emplace_back(std::make_unique<OneCall>());
    call.context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    call.reader = stub->AsyncExecute(&call.context, request, &queue);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): gRPC's tags are pointers.
    call.reader->Finish(&call.response, &call.status, reinterpret_cast<void*>(static_cast<intptr_t>(i)));
  }
  int failures = 0;
  for (int done = 0; done < calls; ++done) {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    const intptr_t index = reinterpret_cast<intptr_t>(tag);
    const OneCall& call = *all[index];
    // Its own answer, not just any.
    const bool right = call.status.ok() && call.response.result().rows().columns(1).int32s(0) == index;
    if (right) continue;
    if (failures++ == 0) *first_error = call.status.error_message();
  }
  return failures;
}

TEST_F(BurstTest, AThousandCallsAtOnceLoseNothing) {
  std::string error;
  EXPECT_EQ(FailuresOf(gateway_->address(), 1000, &error), 0) << error;
}

TEST_F(BurstTest, TenThousandCallsAtOnceLoseNothing) {
  std::string error;
  EXPECT_EQ(FailuresOf(gateway_->address(), 10000, &error), 0) << error;
}

// The other side of the story, on the same pooler.
TEST_F(BurstTest, AThousandConnectionsAtOnceLoseMostOfTheirQueries) {
  std::atomic<int> refused{0}, served{0};
  std::atomic<int> open{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 1000; ++i) {
    threads.emplace_back([&] {
      const std::string error = testing_support::Direct::ConnectError(pgbouncer_->ConnectionString(), [&] {
        // Keeps its connection, as a pool of an application does, until all have tried.
        ++open;
        testing_support::Eventually([&] { return open + refused == 1000; });
      });
      if (error.empty()) {
        ++served;
      } else {
        EXPECT_TRUE(absl::StrContains(error, "no more connections allowed")) << error;
        ++refused;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served + refused, 1000);
  EXPECT_GE(refused, 800) << "the pooler takes 200 clients, the gateway's own among them";
  std::string error;
  EXPECT_EQ(FailuresOf(gateway_->address(), 1000, &error), 0) << error;
}

TEST_F(BurstTest, AStartupOptionForJitIsRefusedByThePooler) {
  const std::string error =
      testing_support::Direct::ConnectError(pgbouncer_->ConnectionString() + " options='-c jit=off'", [] {});
  EXPECT_TRUE(absl::StrContains(error, "unsupported startup parameter")) << error;
  EXPECT_EQ(*db().Execute("SELECT current_setting('jit')")->Scalar<std::string>(), "off");
}

TEST_F(BurstTest, AFullLineRefusesAtOnceAndSaysWhenToComeBack) {
  const testing_support::Gateway gateway(pgbouncer_->Url(), {"--pool_size=1", "--line_length_max=1"});
  const client::Database db = gateway.Client();
  client::Database::Options once;
  once.target = gateway.address();
  once.retries_max = 0;
  const client::Database impatient = *client::Database::Open(once);
  std::thread occupies([&db] { EXPECT_TRUE(db.Execute("SELECT pg_sleep(2) AS full_line").ok()); });
  testing_support::Direct direct = Direct();
  ASSERT_TRUE(testing_support::Eventually([&] {
    return direct.Value(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%full_line%' AND pid <> pg_backend_pid()") !=
           "0";
  }));
  // There is room for one of the two.
  absl::StatusOr<client::Result> first = absl::UnknownError(""), second = absl::UnknownError("");
  std::thread also_calls([&] { first = impatient.Execute("SELECT 1"); });
  second = impatient.Execute("SELECT 1");
  also_calls.join();
  occupies.join();
  EXPECT_NE(first.ok(), second.ok());
  const absl::Status refused = first.ok() ? second.status() : first.status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_EQ(ReasonOf(refused), "GATEWAY_OVERLOADED");
  EXPECT_TRUE(FactsOf(refused).retry_after.has_value());
}

}  // namespace
}  // namespace sluice
