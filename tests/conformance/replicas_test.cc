// Several gateways of one database: they share the calls, and each may go at any time.

#include <grpcpp/create_channel.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::Gateway;

class ReplicasTest : public ConformanceTest {
 protected:
  static std::unique_ptr<Gateway> Replica(const std::string& name, const std::string& listen) {
    return std::make_unique<Gateway>(
        postgres_->Url(), std::vector<std::string>{"--listen=" + listen, "--pool_size=4", "--drain_delay=500ms",
                                                   "--application_name=" + name});
  }

  // Waits until calls come through it.
  bool HasItsShare(const std::string& name) {
    return Eventually([&] {
      return Direct().Value(absl::StrCat("SELECT count(*) FROM pg_stat_activity WHERE application_name = '", name,
                                         "' AND query LIKE '%INSERT INTO done%'")) != "0";
    });
  }
};

// Callers that write without a pause, through all of three; each goes and comes back, as in a rolling update.
class RollingUpdate {
 public:
  // One write of a caller, its n-th; how it ended.
  using Write = std::function<absl::Status(int caller, int n)>;

  explicit RollingUpdate(const Write& write) {
    for (int caller = 0; caller < 8; ++caller) {
      callers_.emplace_back([this, caller, write] {
        for (int n = 0; !ending_; ++n) {
          const absl::Status status = write(caller, n);
          if (!status.ok() && ++failed_ < 10) ADD_FAILURE() << status;
          ++calls_;
        }
      });
    }
    EXPECT_TRUE(AwaitMoreCalls());
  }
  bool AwaitMoreCalls() {
    const int64_t before = calls_;
    return Eventually([&] { return calls_ >= before + 300; });
  }
  // Returns how many writes there were.
  int64_t End() {
    ending_ = true;
    for (std::thread& caller : callers_) caller.join();
    EXPECT_EQ(failed_, 0);
    return calls_;
  }

 private:
  std::atomic<bool> ending_{false};
  std::atomic<int64_t> calls_{0}, failed_{0};
  std::vector<std::thread> callers_;
};

class RollingUpdateTest : public ReplicasTest {
 protected:
  RollingUpdateTest() {
    Direct().Run("DROP TABLE IF EXISTS done; CREATE TABLE done (caller int, n int)");
    for (int i = 0; i < 3; ++i) replicas_.push_back(Replica(absl::StrCat("first ", i), "127.0.0.1:0"));
  }
  std::string AllAddresses() const {
    return absl::StrCat("ipv4:", absl::StrJoin(replicas_, ",", [](std::string* out, const auto& replica) {
                          *out += replica->address();
                        }));
  }
  void RestartOneByOne(RollingUpdate* update) {
    for (std::unique_ptr<Gateway>& replica : replicas_) {
      const std::string address = replica->address();
      EXPECT_EQ(replica->Drain(), 0);
      EXPECT_TRUE(update->AwaitMoreCalls());
      const std::string name = "again at " + address;
      replica = Replica(name, address);
      // As whoever rolls an update out waits until it serves.
      EXPECT_TRUE(HasItsShare(name));
    }
  }
  // Each write is there, and once.
  void ExpectAllDoneOnce(int64_t calls) {
    EXPECT_EQ(Direct().Value("SELECT count(*) || ' ' || count(DISTINCT (caller, n)) FROM done"),
              absl::StrCat(calls, " ", calls));
  }

  std::vector<std::unique_ptr<Gateway>> replicas_;
};

TEST_F(RollingUpdateTest, FailsNoCallOfTheCppClient) {
  const client::Database db = *client::Database::Open(AllAddresses());
  RollingUpdate update(
      [&db](int caller, int n) { return db.Execute("INSERT INTO done VALUES ($1, $2)", caller, n).status(); });
  RestartOneByOne(&update);
  ExpectAllDoneOnce(update.End());
}

// Any gRPC client with deploy/client/service_config.json, and nothing of ours.
TEST_F(RollingUpdateTest, FailsNoCallOfAClientWithTheServiceConfig) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(testing_support::ReadFile("deploy/client/service_config.json"));
  const auto channel = grpc::CreateCustomChannel(AllAddresses(), grpc::InsecureChannelCredentials(), arguments);
  const auto stub = v1::Database::NewStub(channel);
  RollingUpdate update([&stub](int caller, int n) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    v1::ExecuteRequest request;
    request.mutable_statement()->set_sql(absl::StrCat("INSERT INTO done VALUES (", caller, ", ", n, ")"));
    v1::ExecuteResponse response;
    const grpc::Status status = stub->Execute(&context, request, &response);
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  });
  RestartOneByOne(&update);
  ExpectAllDoneOnce(update.End());
}

}  // namespace
}  // namespace sluice
