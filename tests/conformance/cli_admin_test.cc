// sluice admin and sluice top.

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"
#include "tests/support/sluice_command.h"
#include "tests/support/temp_dir.h"
#include "tests/support/terminal.h"

namespace sluice {
namespace {

using testing_support::Ended;
using testing_support::Eventually;
using testing_support::Gateway;
using testing_support::RunSluice;
using testing_support::Terminal;

class CliAdminTest : public ConformanceTest {
 protected:
  CliAdminTest() { Configure("pool_size = 5\n"); }

  void Configure(const std::string& settings) { directory_.Write("sluice.conf", settings); }
  Ended Run(std::vector<std::string> arguments) const {
    arguments.push_back("--admin_target=" + observed_.AdminGrpcAddress());
    return RunSluice(arguments);
  }
  // That sleeps, until it is ended.
  std::future<std::string> Sleeper() {
    std::future<std::string> end = std::async(std::launch::async, [this] {
      client::CallOptions options;
      options.tag = "sleeper";
      return Reason(observed_.Client().Execute(client::Statement("SELECT pg_sleep(60)"), options));
    });
    EXPECT_TRUE(Eventually([this] { return absl::StrContains(Run({"admin", "calls"}).output, "runs"); }));
    return end;
  }

  testing_support::TempDir directory_;
  Gateway observed_{postgres_->Url(),
                    {"--admin_grpc_listen=127.0.0.1:0", "--log_format=json",
                     "--config_file=" + directory_.Write("sluice.conf", "pool_size = 5\n")}};
};

TEST_F(CliAdminTest, StatusIsForPeopleAndForPrograms) {
  ASSERT_TRUE(observed_.AwaitReady());
  const Ended text = Run({"admin", "status"});
  EXPECT_EQ(text.exit_code, 0);
  for (const char* part : {"ready", "of 5 connections open", "PostgreSQL 15", "nobody waits", "no errors"}) {
    EXPECT_TRUE(absl::StrContains(text.output, part)) << part << " is not in\n" << text.output;
  }
  const Ended json = Run({"admin", "status", "--json"});
  EXPECT_TRUE(absl::StrContains(json.output, "\"connectionsMax\": 5")) << json.output;
}

TEST_F(CliAdminTest, ACallIsSeenAndCanBeCancelled) {
  std::future<std::string> end = Sleeper();
  const std::string calls = Run({"admin", "calls"}).output;
  EXPECT_TRUE(absl::StrContains(calls, "sleeper") && absl::StrContains(calls, "select pg_sleep(?)")) << calls;
  // Below the header, in the first column.
  const std::string row = calls.substr(calls.find('\n') + 1);
  int64_t id = 0;
  ASSERT_TRUE(absl::SimpleAtoi(row.substr(0, row.find("  ", row.find_first_not_of(' '))), &id)) << calls;
  EXPECT_EQ(Run({"admin", "cancel", absl::StrCat(id), "--json"}).output, "{\n \"found\": true\n}\n");
  EXPECT_EQ(end.get(), "CANCELLED_BY_OPERATOR");
  EXPECT_TRUE(Eventually([this, id] {
    const Ended again = Run({"admin", "cancel", absl::StrCat(id)});
    return again.exit_code == 1 && again.output == "no call in progress has this id\n";
  }));
  EXPECT_TRUE(absl::StrContains(Run({"admin", "statements"}).output, "select pg_sleep(?)"));
}

TEST_F(CliAdminTest, AReloadSaysWhatIsNewOrWhatIsWrong) {
  Configure("pool_size = 6\nlisten = 127.0.0.1:1\n");
  const Ended reloaded = Run({"admin", "reload"});
  EXPECT_EQ(reloaded.exit_code, 0);
  EXPECT_TRUE(absl::StrContains(reloaded.output, "new:               pool_size")) << reloaded.output;
  Configure("pool_size = many\n");
  const Ended refused = Run({"admin", "reload"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(refused.output, "pool_size (from ")) << refused.output;
}

TEST_F(CliAdminTest, ADrainCanBeWaitedFor) {
  std::future<std::string> end = Sleeper();
  const Ended drained = Run({"admin", "drain", "--grace=0", "--wait"});
  EXPECT_EQ(drained.output, "draining\nit has ended\n");
  EXPECT_EQ(observed_.process().Wait(), 0);
  EXPECT_NE(end.get(), "ok");
  const Ended nobody = Run({"admin", "status"});
  EXPECT_EQ(nobody.exit_code, 3);
  EXPECT_TRUE(absl::StrContains(nobody.output, "admin_grpc_listen")) << nobody.output;
}

TEST_F(CliAdminTest, ADrainIsOverWhenAnotherGatewayIsInItsPlace) {
  const std::string address = observed_.AdminGrpcAddress();
  std::future<Ended> drained = std::async(std::launch::async, [this] { return Run({"admin", "drain", "--wait"}); });
  EXPECT_EQ(observed_.process().Wait(), 0);
  // As a supervisor would start it, at once.
  const Gateway next(postgres_->Url(), {"--admin_grpc_listen=" + address, "--log_format=json"});
  EXPECT_EQ(drained.get().output, "draining\nit has ended\n");
}

TEST_F(CliAdminTest, AGraceIsANumber) {
  EXPECT_EQ(Run({"admin", "drain", "--grace=nan"}).exit_code, 2);
  EXPECT_EQ(Run({"admin", "drain", "--grace=-1"}).exit_code, 2);
}

TEST_F(CliAdminTest, AResetPoolSaysHowManyConnectionsAreReplaced) {
  ASSERT_TRUE(observed_.AwaitReady());
  const Ended reset = Run({"admin", "reset-pool"});
  EXPECT_EQ(reset.exit_code, 0);
  EXPECT_TRUE(absl::StrContains(reset.output, "connections are being replaced")) << reset.output;
}

TEST_F(CliAdminTest, AnotherMachineIsNotSpokenToWithoutTls) {
  const Ended refused = RunSluice({"admin", "status", "--admin_target=192.0.2.1:7434"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_TRUE(absl::StrContains(refused.output, "kubectl port-forward")) << refused.output;
}

TEST_F(CliAdminTest, TopPrintsSoManyTimes) {
  ASSERT_TRUE(observed_.Client().Execute("SELECT 'seen'").ok());
  const Ended top = Run({"top", "-n", "2", "--interval=0.1"});
  EXPECT_EQ(top.exit_code, 0);
  for (const char* part : {"so far", "now ", "select ?", "no calls in progress"}) {
    EXPECT_TRUE(absl::StrContains(top.output, part)) << part << " is not in\n" << top.output;
  }
}

TEST_F(CliAdminTest, TopHasAScreenOfItsOwnAndGivesTheOldOneBack) {
  Terminal terminal({"client/cli/sluice", "top", "--interval=0.1", "--admin_target=" + observed_.AdminGrpcAddress()},
                    {{"TERM", "xterm"}});
  EXPECT_TRUE(terminal.Shows("\x1b[?1049h"));
  EXPECT_TRUE(terminal.Shows("ready"));
  EXPECT_TRUE(terminal.Shows("now "));
  EXPECT_EQ(terminal.Wait("q"), 0);
  EXPECT_TRUE(absl::StrContains(terminal.screen(), "\x1b[?1049l"));
}

TEST_F(CliAdminTest, TopWaitsForAGatewayThatIsRestarted) {
  Terminal terminal({"client/cli/sluice", "top", "--interval=0.1", "--admin_target=" + observed_.AdminGrpcAddress()},
                    {{"TERM", "xterm"}});
  EXPECT_TRUE(terminal.Shows("ready"));
  observed_.Drain();
  EXPECT_TRUE(terminal.Shows("NO ANSWER"));
  EXPECT_EQ(terminal.Wait("\x03"), 0);
}

}  // namespace
}  // namespace sluice
