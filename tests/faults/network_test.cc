// A connection that is cut, stalls or goes dead at the worst moment: what the gateway says
// of the work is what the database did.

#include <signal.h>

#include <future>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/conformance/fixture.h"
#include "tests/support/fault_proxy.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::FaultProxy;
using testing_support::Gateway;
using Way = FaultProxy::Way;

// The end of every answer, outside of a transaction.
const std::string& ReadyForQuery() {
  static const std::string& message = *new std::string("Z\0\0\0\5I", 6);
  return message;
}

class NetworkTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    Direct().Run("DROP TABLE IF EXISTS effects; CREATE TABLE effects (n int)");
  }

  std::future<absl::StatusOr<client::Result>> Begin(const std::string& sql,
                                                    absl::Duration timeout = absl::Seconds(20)) {
    return std::async(std::launch::async, [this, sql, timeout] {
      client::Database::Options once;
      once.target = behind_network_->address();
      once.retries_max = 0;
      client::CallOptions options;
      options.timeout = timeout;
      return client::Database::Open(once)->Execute(client::Statement(sql), options);
    });
  }

  void StartGateway(const std::vector<std::string>& flags = {"--pool_size=1"}) {
    behind_network_ = std::make_unique<Gateway>(network_.Url(), flags);
    ASSERT_TRUE(behind_network_->AwaitReady());
  }

  std::string Effects() { return Direct().Value("SELECT count(*) FROM effects"); }

  FaultProxy network_{postgres_->socket_directory() + "/.s.PGSQL.5432"};
  std::unique_ptr<Gateway> behind_network_;
};

// The classic lie: the commit is done, and its answer never comes.
TEST_F(NetworkTest, ACutBetweenTheCommitAndItsAnswerIsUnknown) {
  StartGateway();
  network_.Hold(Way::kToClient);
  auto write = Begin("INSERT INTO effects VALUES (1)");
  ASSERT_TRUE(Eventually([this] { return Effects() == "1"; }));
  network_.CutAll();
  network_.Release(Way::kToClient);
  const absl::Status status = write.get().status();
  EXPECT_EQ(ReasonOf(status), "OUTCOME_UNKNOWN") << status;
  EXPECT_EQ(OutcomeOf(status), v1::OUTCOME_UNKNOWN);
  EXPECT_TRUE(Begin("SELECT 1").get().ok());
  EXPECT_EQ(Effects(), "1") << "done a second time";
}

TEST_F(NetworkTest, ACutOnTheWayToTheServerIsUnknownToo) {
  StartGateway();
  network_.Hold(Way::kToServer);
  auto write = Begin("INSERT INTO effects VALUES (1)");
  ASSERT_TRUE(Eventually([this] { return network_.held_bytes(Way::kToServer) > 0; }));
  network_.CutAll();
  network_.Release(Way::kToServer);
  EXPECT_EQ(OutcomeOf(write.get().status()), v1::OUTCOME_UNKNOWN);
  EXPECT_TRUE(Begin("SELECT 1").get().ok());
  EXPECT_EQ(Effects(), "0");
}

TEST_F(NetworkTest, ACutBehindTheTagIsNoFailure) {
  StartGateway();
  network_.CutBefore(Way::kToClient, ReadyForQuery());
  const absl::StatusOr<client::Result> write = Begin("INSERT INTO effects VALUES (1)").get();
  EXPECT_TRUE(write.ok()) << write.status();
  EXPECT_EQ(Effects(), "1");
}

TEST_F(NetworkTest, AReadThatIsCutIsReadAgain) {
  StartGateway();
  network_.Hold(Way::kToClient);
  auto read = Begin("SELECT count(*) FROM effects");
  ASSERT_TRUE(Eventually([this] { return network_.held_bytes(Way::kToClient) > 0; }));
  network_.CutAll();
  network_.Release(Way::kToClient);
  const absl::StatusOr<client::Result> result = read.get();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->info().attempts(), 2);
}

// Nothing comes and nothing breaks: no error would ever tell.
TEST_F(NetworkTest, ADeadNetworkEndsWithTheCallsDeadline) {
  StartGateway();
  network_.Hold(Way::kToServer);
  network_.Hold(Way::kToClient);
  const absl::Status status = Begin("INSERT INTO effects VALUES (1)", absl::Seconds(1)).get().status();
  // The gateway's word, and not the client's own clock.
  EXPECT_EQ(ReasonOf(status), "DEADLINE_EXCEEDED") << status;
  EXPECT_EQ(OutcomeOf(status), v1::OUTCOME_UNKNOWN);
  network_.CutAll();
  network_.Release(Way::kToServer);
  network_.Release(Way::kToClient);
  EXPECT_TRUE(Begin("SELECT 1").get().ok());
  EXPECT_EQ(Effects(), "0");
}

// PQcancel opens a connection of its own and blocks in it; on a dead network for ever.
TEST_F(NetworkTest, CancelsThatAreStuckDoNotKeepTheGatewayFromEnding) {
  StartGateway({"--pool_size=6", "--drain_grace=100ms"});
  network_.Hold(Way::kToServer);
  network_.Hold(Way::kToClient);
  std::vector<std::future<absl::StatusOr<client::Result>>> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(Begin("SELECT pg_sleep(60)", absl::Milliseconds(300)));
  for (auto& call : calls) EXPECT_EQ(call.get().status().code(), absl::StatusCode::kDeadlineExceeded);
  const absl::Time begin = absl::Now();
  EXPECT_EQ(behind_network_->Drain(), 0);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
}

// Health is about the way to the database, which a busy pool has just used.
TEST_F(NetworkTest, APoolThatIsBusyForLongIsReady) {
  StartGateway({"--pool_size=2"});
  auto one = Begin("SELECT pg_sleep(18)", absl::Seconds(40)), other = Begin("SELECT pg_sleep(18)", absl::Seconds(40));
  bool stayed_ready = true;
  while (one.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) {
    stayed_ready = stayed_ready && behind_network_->Client().CheckHealth().ok();
  }
  EXPECT_TRUE(stayed_ready) << behind_network_->log();
  EXPECT_TRUE(one.get().ok());
  EXPECT_TRUE(other.get().ok());
}

// A slow network delays answers; it changes none.
TEST_F(NetworkTest, ADelayCostsOneRoundTrip) {
  StartGateway();
  network_.Delay(absl::Milliseconds(50));
  const absl::StatusOr<client::Result> result = Begin("SELECT 1").get();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->info().round_trips(), 1);
  EXPECT_GE(absl::Nanoseconds(result->info().database_time().nanos()), absl::Milliseconds(100));
}

// A pulled cable between a caller and the gateway: nobody says that the caller is gone.
TEST_F(NetworkTest, AClientThatIsGoneWithoutAWordHoldsNoConnection) {
  const Gateway gateway(postgres_->Url(), {"--client_silence_max=600ms"});
  FaultProxy cable(gateway.address().substr(std::string("unix:").size()));
  auto call = std::async(std::launch::async, [&cable] {
    client::CallOptions options;
    options.timeout = absl::Seconds(60);
    const client::Database db = *client::Database::Open("unix:" + cable.socket_path());
    return db.Execute(client::Statement("SELECT pg_sleep(60) AS silent_mark"), options);
  });
  const auto running = [this] {
    return Direct().Value(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE "
        "'%silent_mark%'");
  };
  ASSERT_TRUE(Eventually([&] { return running() == "1"; }));
  cable.Hold(Way::kToServer);
  cable.Hold(Way::kToClient);
  EXPECT_TRUE(Eventually([&] { return running() == "0"; }));
  cable.CutAll();
  cable.Release(Way::kToServer);
  cable.Release(Way::kToClient);
  EXPECT_FALSE(call.get().ok());
}

}  // namespace
}  // namespace sluice
