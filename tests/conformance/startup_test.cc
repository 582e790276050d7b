// Starting: --help, --version, a configuration with problems, a port that is taken.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/certificates.h"
#include "tests/support/gateway.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace sluice {
namespace {

using testing_support::Process;
using testing_support::TempDir;

struct Ended {
  int exit_code;
  std::string output;
};

Ended RunSluiced(const std::vector<std::string>& flags, const std::string& database_url = "") {
  TempDir directory;
  Process::Options options;
  options.command = {testing_support::SluicedPath()};
  options.command.insert(options.command.end(), flags.begin(), flags.end());
  options.environment = {
      {"DATABASE_URL", database_url}, {"SLUICE_ADMIN_LISTEN", "off"}, {"SLUICE_ADMIN_GRPC_LISTEN", "off"}};
  options.output_path = directory.File("output");
  Process process(options);
  const int exit_code = process.Wait();
  return {exit_code, testing_support::ReadFile(options.output_path)};
}

TEST(StartupTest, HelpTellsOfSettingsAndSignals) {
  const Ended ended = RunSluiced({"--help"});
  EXPECT_EQ(ended.exit_code, 0);
  for (const char* part : {"--database_url", "DATABASE_URL", "SIGHUP"}) {
    EXPECT_TRUE(absl::StrContains(ended.output, part)) << part;
  }
}

TEST(StartupTest, VersionIsOneLine) { EXPECT_EQ(RunSluiced({"--version"}).output, "sluiced 0.1.0\n"); }

TEST(StartupTest, AllProblemsAreReportedAtOnce) {
  const Ended ended = RunSluiced({"--pool_size=0", "--listen=nowhere", "--nonsense"}, "mysql://u:secret@h/d");
  EXPECT_EQ(ended.exit_code, 78);
  for (const char* part : {"4 problem(s)", "database_url", "pool_size", "listen", "--nonsense"}) {
    EXPECT_TRUE(absl::StrContains(ended.output, part)) << ended.output;
  }
  EXPECT_FALSE(absl::StrContains(ended.output, "secret"));
}

TEST(StartupTest, ADatabaseUrlThatIsMissingSaysWhatToSet) {
  const Ended ended = RunSluiced({});
  EXPECT_EQ(ended.exit_code, 78);
  EXPECT_TRUE(absl::StrContains(ended.output, "postgresql://user:password@host")) << ended.output;
}

TEST(StartupTest, AnAddressThatIsTakenSaysSo) {
  const testing_support::Gateway first("postgresql://u@/d?host=/nonexistent", {"--listen=127.0.0.1:0"});
  const Ended second = RunSluiced({"--listen=" + first.address()}, "postgresql://u@/d?host=/nonexistent");
  EXPECT_EQ(second.exit_code, 69) << second.output;
  EXPECT_TRUE(absl::StrContains(second.output, "can not listen on " + first.address() + ": Address already in use"))
      << second.output;
  EXPECT_TRUE(absl::StrContains(RunSluiced({"--listen=unix:/nonexistent/s"}, "postgresql://u@/d").output,
                                "can not listen on unix:/nonexistent/s: No such file or directory"));
}

// Stacks take address space, of which ASan needs more than can be left.
#ifndef __SANITIZE_ADDRESS__
TEST(StartupTest, APoolThatTheSystemHasNoThreadsForSaysSo) {
  const TempDir directory;
  Process::Options options;
  options.command = {"sh", "-c",
                     absl::StrCat("ulimit -s 8192; ulimit -v 4000000; exec ", testing_support::SluicedPath(),
                                  " --pool_size=1000", " --listen=unix:", directory.File("sluice"))};
  options.environment = {{"DATABASE_URL", "postgresql://u@/d?host=/nonexistent"},
                         {"SLUICE_ADMIN_LISTEN", "off"},
                         {"SLUICE_ADMIN_GRPC_LISTEN", "off"}};
  options.output_path = directory.File("output");
  Process process(options);
  const auto output = [&options] { return testing_support::ReadFile(options.output_path); };
  ASSERT_TRUE(testing_support::Eventually([&process] { return !process.IsRunning(); })) << output();
  EXPECT_EQ(process.Wait(), 69);
  EXPECT_TRUE(absl::StrContains(output(), "pool_size: no more than ")) << output();
}
#endif

TEST(StartupTest, ACertificateOrCallersFileThatIsBrokenIsNamed) {
  const testing_support::Certificates certificates;
  const auto server = certificates.Issue("server", "DNS:localhost"), other = certificates.Issue("other", "DNS:other");
  const auto weak = certificates.IssueWeak();
  const TempDir directory;
  const std::string broken = directory.Write("broken", "-----BEGIN CERTIFICATE-----\nnonsense\n");
  const struct {
    std::vector<std::string> flags;
    std::string said;
  } cases[] = {
      {{"--tls_cert=" + broken, "--tls_key=" + server.key}, "tls_cert: " + broken + " holds a certificate that"},
      {{"--tls_cert=" + server.key, "--tls_key=" + server.key}, "tls_cert: " + server.key + " holds no certificate"},
      {{"--tls_cert=" + server.cert, "--tls_key=" + server.cert}, "tls_key: " + server.cert + " holds no private key"},
      {{"--tls_cert=" + server.cert, "--tls_key=" + other.key}, "is not the key of the certificate"},
      {{"--tls_cert=" + weak.cert, "--tls_key=" + weak.key}, "that OpenSSL refuses: ee key too small"},
      {{"--tls_cert=/nonexistent", "--tls_key=" + server.key}, "tls_cert: can not read /nonexistent: No such file"},
      {{"--callers_file=" + directory.Write("callers", "{\"callers\":\n[,]}")}, "and is none from line 2 on"},
      {{"--callers_file=/nonexistent"}, "callers_file: can not read /nonexistent: No such file"},
  };
  for (const auto& wrong : cases) {
    std::vector<std::string> flags = wrong.flags;
    flags.emplace_back("--listen=127.0.0.1:0");
    const Ended ended = RunSluiced(flags, "postgresql://u@/d?host=/nonexistent");
    EXPECT_EQ(ended.exit_code, 78) << wrong.said;
    EXPECT_TRUE(absl::StrContains(ended.output, wrong.said)) << ended.output;
  }
}

// gRPC would take the path away from the first, whose callers then reach nobody.
TEST(StartupTest, ASocketThatIsServedIsLeftToWhoServesIt) {
  const testing_support::Gateway first("postgresql://u@/d?host=/nonexistent");
  const Ended second = RunSluiced({"--listen=" + first.address()}, "postgresql://u@/d?host=/nonexistent");
  EXPECT_EQ(second.exit_code, 69) << second.output;
  EXPECT_TRUE(absl::StrContains(second.output, "another process serves " + first.address())) << second.output;
  EXPECT_TRUE(first.Client().CheckHealth("liveness").ok());
}

TEST(StartupTest, ADeadDatabaseDoesNotKeepItFromStarting) {
  testing_support::Gateway gateway("postgresql://u@/d?host=/nonexistent");
  EXPECT_TRUE(gateway.Client().CheckHealth("liveness").ok());
  EXPECT_FALSE(gateway.Client().CheckHealth().ok());
  EXPECT_EQ(gateway.Drain(), 0);
}

// Its log goes to a collector that hangs, and a pipe that is full.
TEST(StartupTest, ALogThatNobodyReadsKeepsItFromNothing) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  while (write(ends[1], "x", 1) == 1) {
  }
  const TempDir directory;
  const std::string address = "unix:" + directory.File("sluice");
  Process::Options options;
  options.command = {testing_support::SluicedPath(), "--listen=" + address};
  options.environment = {{"DATABASE_URL", "postgresql://u@/d?host=/nonexistent"},
                         {"SLUICE_ADMIN_LISTEN", "off"},
                         {"SLUICE_ADMIN_GRPC_LISTEN", "off"}};
  // Opened anew: blocking.
  options.output_path = absl::StrCat("/proc/self/fd/", ends[1]);
  Process process(options);
  const client::Database db = *client::Database::Open(address);
  EXPECT_TRUE(testing_support::Eventually([&db] { return db.CheckHealth("liveness").ok(); }));
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait(), 0);
  close(ends[0]);
  close(ends[1]);
}

// A process manager may signal a group and its leader: two at once, that mean one.
TEST(StartupTest, TwoSignalsAtOnceAreADrain) {
  testing_support::Gateway gateway("postgresql://u@/d?host=/nonexistent", {"--log_format=json"});
  gateway.process().Signal(SIGTERM);
  gateway.process().Signal(SIGINT);
  EXPECT_EQ(gateway.process().Wait(), 0);
  EXPECT_TRUE(absl::StrContains(gateway.log(), "gateway_stopped")) << gateway.log();
}

TEST(StartupTest, OptionsOfOtherDriversAreAcceptedAndSaidOnce) {
  const testing_support::Gateway gateway(
      "postgresql+asyncpg://u@/d?host=/"
      "nonexistent&prepared_statement_cache_size=0&statement_cache_size=0&pgbouncer=true",
      {"--log_format=json"});
  for (const char* option : {"prepared_statement_cache_size", "statement_cache_size", "pgbouncer"}) {
    EXPECT_TRUE(gateway.Logs(std::string("\"setting\":\"") + option + "\"")) << gateway.log();
  }
}

}  // namespace
}  // namespace sluice
