// What systemd hears of a gateway (Type=notify, WatchdogSec).

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::Gateway;

// Where a service manager would listen.
class ManagerSocket {
 public:
  ManagerSocket() {
    sockaddr_un at = {};
    at.sun_family = AF_UNIX;
    std::strncpy(at.sun_path, path().c_str(), sizeof(at.sun_path) - 1);
    if (bind(descriptor_, reinterpret_cast<sockaddr*>(&at), sizeof(at)) != 0) std::abort();
  }
  ~ManagerSocket() { close(descriptor_); }

  std::string path() const { return directory_.File("notify"); }
  // Whether this word has come, now or before.
  bool Heard(const std::string& word) {
    char datagram[4096];
    ssize_t size = 0;
    while ((size = recv(descriptor_, datagram, sizeof(datagram), MSG_DONTWAIT)) > 0) {
      absl::StrAppend(&heard_, std::string(datagram, static_cast<size_t>(size)), "\n");
    }
    return absl::StrContains(heard_, word);
  }
  void Forget() { heard_.clear(); }
  const std::string& heard() const { return heard_; }

 private:
  testing_support::TempDir directory_;
  const int descriptor_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  std::string heard_;
};

class ServiceManagerTest : public ConformanceTest {
 protected:
  ManagerSocket manager_;
};

TEST_F(ServiceManagerTest, HearsWhenItServesHowItIsAndThatItEnds) {
  Gateway gateway(postgres_->Url(), {}, {{"NOTIFY_SOCKET", manager_.path()}, {"WATCHDOG_USEC", "300000"}});
  EXPECT_TRUE(Eventually([&] { return manager_.Heard("READY=1"); }));
  EXPECT_TRUE(Eventually([&] { return manager_.Heard("WATCHDOG=1\nSTATUS=ready, 0 calls in progress"); }))
      << manager_.heard();
  manager_.Forget();
  EXPECT_TRUE(Eventually([&] { return manager_.Heard("WATCHDOG=1"); }));
  EXPECT_EQ(gateway.Drain(), 0);
  EXPECT_TRUE(manager_.Heard("STOPPING=1"));
}

TEST_F(ServiceManagerTest, HearsNothingOfAGatewayThatDoesNotStart) {
  testing_support::Process::Options options;
  options.command = {testing_support::SluicedPath(), "--pool_size=many"};
  options.environment = {{"NOTIFY_SOCKET", manager_.path()}};
  options.output_path = "/dev/null";
  testing_support::Process process(options);
  EXPECT_EQ(process.Wait(), 78);
  EXPECT_FALSE(manager_.Heard("READY"));
}

TEST_F(ServiceManagerTest, WithoutAWatchdogItHearsNoMoreThanThat) {
  Gateway gateway(postgres_->Url(), {}, {{"NOTIFY_SOCKET", manager_.path()}});
  EXPECT_TRUE(Eventually([&] { return manager_.Heard("READY=1"); }));
  gateway.process().Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] { return manager_.Heard("STATUS=reads its settings again"); }));
  EXPECT_EQ(gateway.Drain(), 0);
  EXPECT_FALSE(manager_.Heard("WATCHDOG=1")) << manager_.heard();
}

// A watchdog that is meant for another process (WATCHDOG_PID) is not ours to feed.
TEST_F(ServiceManagerTest, AnothersWatchdogIsNotFed) {
  Gateway gateway(postgres_->Url(), {},
                  {{"NOTIFY_SOCKET", manager_.path()}, {"WATCHDOG_USEC", "100000"}, {"WATCHDOG_PID", "1"}});
  EXPECT_TRUE(Eventually([&] { return manager_.Heard("READY=1"); }));
  ASSERT_TRUE(gateway.Client().Execute("SELECT pg_sleep(0.3)").ok());
  EXPECT_FALSE(manager_.Heard("WATCHDOG=1"));
}

}  // namespace
}  // namespace sluice
