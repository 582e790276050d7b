// sluice copy and sluice listen.

#include <fstream>
#include <future>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"
#include "tests/support/sluice_command.h"
#include "tests/support/temp_dir.h"

namespace sluice {
namespace {

using testing_support::Ended;
using testing_support::Gateway;
using testing_support::RunSluice;

class CliStreamsTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    Direct().Run("DROP TABLE IF EXISTS events; CREATE TABLE events (id int PRIMARY KEY, name text)");
  }
  Ended Run(const std::vector<std::string>& arguments, const std::string& input = "") {
    return RunSluice(arguments, gateway_->address(), "", input);
  }
};

TEST_F(CliStreamsTest, CopyLoadsAndDumpsATable) {
  const Ended in = Run({"copy", "in", "events", "--csv", "--header"}, "id,name\n1,\"a, b\"\n2,\n");
  EXPECT_EQ(in.exit_code, 0);
  EXPECT_EQ(in.output, "COPY 2\n");
  const Ended out = Run({"copy", "out", "events", "--csv", "--null=nothing"});
  EXPECT_EQ(out.exit_code, 0);
  EXPECT_EQ(out.output, "1,\"a, b\"\n2,nothing\nCOPY 2\n");
  EXPECT_EQ(Run({"copy", "out", "--query", "SELECT name FROM events WHERE id = 1"}).output, "a, b\nCOPY 1\n");
  EXPECT_EQ(Run({"copy", "out", "events", "--columns=name,id", "--delimiter=|"}).output, "a, b|1\n\\N|2\nCOPY 2\n");
}

TEST_F(CliStreamsTest, CopyTakesFiles) {
  const testing_support::TempDir directory;
  const std::string rows = directory.Write("rows", "1\tone\n2\ttwo\n");
  EXPECT_EQ(Run({"copy", "in", "public.events", "-f", rows}).output, "COPY 2\n");
  EXPECT_EQ(Run({"copy", "out", "events", "--binary", "--file", directory.File("binary")}).output, "COPY 2\n");
  Direct().Run("TRUNCATE events");
  EXPECT_EQ(Run({"copy", "in", "events", "--binary", "--file", directory.File("binary")}).output, "COPY 2\n");
  EXPECT_EQ(Direct().Value("SELECT string_agg(name, ' ' ORDER BY id) FROM events"), "one two");
  const Ended missing = Run({"copy", "in", "events", "-f", directory.File("missing")});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(missing.output, "No such file")) << missing.output;
  // It opens, and can not be read.
  const Ended unreadable = Run({"copy", "in", "events", "-f", "/"});
  EXPECT_EQ(unreadable.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(unreadable.output, "nothing was committed")) << unreadable.output;
  const Ended full = Run({"copy", "out", "--query", "SELECT generate_series(1, 1000000)", "-f", "/dev/full"});
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(full.output, "not whole")) << full.output;
}

TEST_F(CliStreamsTest, CopySaysWhatIsWrong) {
  const Ended bad = Run({"copy", "in", "events"}, "1\tone\nx\ttwo\n");
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(bad.output, "line 2")) << bad.output;
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM events"), "0");
  EXPECT_EQ(Run({"copy", "in"}).exit_code, 2);
  EXPECT_EQ(Run({"copy", "out"}).exit_code, 2);
  EXPECT_EQ(Run({"copy", "out", "events", "--csv", "--binary"}).exit_code, 2);
  EXPECT_EQ(Run({"copy", "out", "nowhere"}).exit_code, 1);
  EXPECT_EQ(RunSluice({"copy", "out", "events"}).exit_code, 3);
}

TEST_F(CliStreamsTest, ListenPrintsWhatIsNotified) {
  const Gateway gateway(pgbouncer_->Url(), {"--listen_url=" + postgres_->Url()});
  const testing_support::TempDir directory;
  const std::string path = directory.File("heard");
  auto listens = std::async(std::launch::async, [&] {
    return RunSluice({"listen", "jobs", "news", "--count=2"}, gateway.address(), path).exit_code;
  });
  ASSERT_TRUE(testing_support::Eventually([&] { return testing_support::ReadFile(path) == "listening\n"; }));
  Direct().Run("SELECT pg_notify('jobs', E'a\\nb'); SELECT pg_notify('news', 'c')");
  EXPECT_EQ(listens.get(), 0);
  EXPECT_EQ(testing_support::ReadFile(path), "listening\njobs\ta\\nb\nnews\tc\n");
}

TEST_F(CliStreamsTest, ListenSaysWhyItCanNot) {
  const Ended off = Run({"listen", "jobs"});
  EXPECT_EQ(off.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(off.output, "LISTEN_OFF")) << off.output;
  EXPECT_EQ(Run({"listen"}).exit_code, 2);
}

}  // namespace
}  // namespace sluice
