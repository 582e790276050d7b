// Several gateways of one database: they share the calls, and one may go at any time.

#include <signal.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::Gateway;

class ReplicasTest : public ConformanceTest {
 protected:
  static std::unique_ptr<Gateway> Replica(const std::string& name, const std::string& listen) {
    return std::make_unique<Gateway>(postgres_->Url(), std::vector<std::string>{"--listen=" + listen, "--pool_size=4",
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

// Callers that write without a pause, through both; each goes and comes back twice, as in a rolling update.
TEST_F(ReplicasTest, ARollingUpdateFailsNoCall) {
  Direct().Run("DROP TABLE IF EXISTS done; CREATE TABLE done (caller int, n int)");
  std::unique_ptr<Gateway> replicas[] = {Replica("first 0", "127.0.0.1:0"), Replica("first 1", "127.0.0.1:0")};
  const client::Database db =
      *client::Database::Open(absl::StrCat("ipv4:", replicas[0]->address(), ",", replicas[1]->address()));
  std::atomic<bool> ending{false};
  std::atomic<int64_t> calls{0}, failed{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&, caller] {
      for (int n = 0; !ending; ++n) {
        const absl::StatusOr<client::Result> result = db.Execute("INSERT INTO done VALUES ($1, $2)", caller, n);
        if (!result.ok() && ++failed < 10) ADD_FAILURE() << result.status();
        ++calls;
      }
    });
  }
  const auto more_calls = [&calls] {
    const int64_t before = calls;
    return Eventually([&] { return calls >= before + 300; });
  };
  EXPECT_TRUE(more_calls());
  for (int round = 0; round < 4; ++round) {
    std::unique_ptr<Gateway>& replica = replicas[round % 2];
    const std::string address = replica->address();
    EXPECT_EQ(replica->Drain(), 0);
    EXPECT_TRUE(more_calls());
    const std::string name = absl::StrCat("of round ", round);
    replica = Replica(name, address);
    // As whoever rolls an update out waits until it serves.
    EXPECT_TRUE(HasItsShare(name));
  }
  ending = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(failed, 0);
  // Each is there, and once.
  EXPECT_EQ(Direct().Value("SELECT count(*) || ' ' || count(DISTINCT (caller, n)) FROM done"),
            absl::StrCat(calls.load(), " ", calls.load()));
}

}  // namespace
}  // namespace sluice
