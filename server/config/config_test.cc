#include "server/config/config.h"

#include <cstdio>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "server/config/reload.h"

namespace sluice::config {
namespace {

std::map<std::string, std::string>& TestEnvironment() {
  static auto& variables = *new std::map<std::string, std::string>;
  return variables;
}

const char* LookUp(const char* name) {
  auto found = TestEnvironment().find(name);
  return found == TestEnvironment().end() ? nullptr : found->second.c_str();
}

class ConfigTest : public testing::Test {
 protected:
  void SetUp() override { TestEnvironment() = {{"DATABASE_URL", "postgresql://app:secret@db/shop"}}; }

  std::optional<Config> Make(const std::vector<std::string>& arguments, const std::string& dot_env = "/nonexistent") {
    problems_.clear();
    return MakeConfig(GatherSettings(arguments, LookUp, dot_env), &problems_);
  }

  std::string Problems() const { return absl::StrJoin(problems_, "\n"); }

  std::string FileWith(const std::string& name, const std::string& text) {
    std::string path = testing::TempDir() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  std::vector<std::string> problems_;
};

TEST_F(ConfigTest, ADatabaseUrlIsEnough) {
  const std::optional<Config> config = Make({});
  ASSERT_TRUE(config.has_value()) << Problems();
  EXPECT_EQ(config->listen, "127.0.0.1:7432");
  EXPECT_EQ(config->pool_size, 15);
  EXPECT_EQ(config->database.Display(), "postgresql://app@db/shop");
}

TEST_F(ConfigTest, FlagsWinOverEnvironmentOverDotEnvOverFile) {
  const std::string file =
      FileWith("sluice.conf", "pool_size = 1\ncall_timeout = 1s\nline_length_max = 1\nlisten = 127.0.0.1:1\n");
  const std::string dot_env = FileWith(
      "dotenv", "# shared\nOTHER=1\nexport SLUICE_POOL_SIZE=2\nSLUICE_CALL_TIMEOUT='2s'\nSLUICE_LINE_LENGTH_MAX=2\n");
  TestEnvironment()["SLUICE_POOL_SIZE"] = "3";
  TestEnvironment()["SLUICE_CALL_TIMEOUT"] = "3s";
  const std::optional<Config> config = Make({"--config_file", file, "--pool-size=4"}, dot_env);
  ASSERT_TRUE(config.has_value()) << Problems();
  EXPECT_EQ(config->pool_size, 4);
  EXPECT_EQ(config->call_timeout, absl::Seconds(3));
  EXPECT_EQ(config->line_length_max, 2);
  EXPECT_EQ(config->listen, "127.0.0.1:1");
}

TEST_F(ConfigTest, ADotEnvMayHaveCommentsBehindValuesAndAMarkOfUtf8) {
  const std::string dot_env = FileWith("commented",
                                       "\xef\xbb\xbfSLUICE_POOL_SIZE=7 # of 20\n"
                                       "SLUICE_LISTEN=\"127.0.0.1:1\" # local\nSLUICE_CALL_TIMEOUT=5s\t\n");
  const std::optional<Config> config = Make({}, dot_env);
  ASSERT_TRUE(config.has_value()) << Problems();
  EXPECT_EQ(config->pool_size, 7);
  EXPECT_EQ(config->listen, "127.0.0.1:1");
  EXPECT_EQ(config->call_timeout, absl::Seconds(5));
}

TEST_F(ConfigTest, AUrlWhereANameShouldBeIsNotEchoed) {
  const std::string url = "postgresql://u:pa55word@h/db?sslmode=require";
  for (const std::string& line : {url, "database_url: " + url}) {
    EXPECT_FALSE(Make({"--config_file=" + FileWith("mistaken", line + "\n")}).has_value());
    EXPECT_TRUE(absl::StrContains(Problems(), "no setting is called")) << Problems();
    EXPECT_FALSE(absl::StrContains(Problems(), "pa55word")) << Problems();
  }
  EXPECT_FALSE(Make({"--database-url" + url}).has_value());
  EXPECT_FALSE(absl::StrContains(Problems(), "pa55word")) << Problems();
}

TEST_F(ConfigTest, AUrlIsShownWithEachHostsPortAndWithoutItsPassword) {
  const auto shown = [](const char* url) { return ParseDatabaseUrl(url)->Display(); };
  EXPECT_EQ(shown("postgresql://u:p@a:1,[::1]:2/d?sslmode=require"), "postgresql://u@a:1,[::1]:2/d");
  EXPECT_EQ(shown("postgresql://u:p@a,b:6432/d?port=6432"), "postgresql://u@a:6432,b:6432/d");
  EXPECT_EQ(shown("postgresql://u:p@/d?host=/tmp/x&port=6432"), "postgresql://u@/tmp/x:6432/d");
  EXPECT_EQ(shown("postgres://u:p@/"), "postgresql://u@/u");
}

TEST_F(ConfigTest, AFileThatCanNotBeReadIsAProblem) {
  EXPECT_FALSE(Make({"--config_file=" + testing::TempDir()}).has_value());
  EXPECT_TRUE(absl::StrContains(Problems(), "Is a directory")) << Problems();
  problems_.clear();
  EXPECT_FALSE(Make({"--config_file=/nonexistent"}).has_value());
  EXPECT_TRUE(absl::StrContains(Problems(), "No such file")) << Problems();
  problems_.clear();
  // But a .env is somebody else's as well.
  EXPECT_TRUE(Make({}, /*dot_env=*/testing::TempDir()).has_value()) << Problems();
  EXPECT_TRUE(Make({}, /*dot_env=*/"/nonexistent").has_value()) << Problems();
}

TEST_F(ConfigTest, WhatIsThereTwiceIsAProblem) {
  EXPECT_FALSE(Make({"--config_file=" + FileWith("twice", "pool_size = 3\npool_size = 4\n")}).has_value());
  EXPECT_TRUE(absl::StrContains(Problems(), "twice:2: pool_size is there twice")) << Problems();
  problems_.clear();
  EXPECT_TRUE(Make({"--config_file=" + FileWith("once", "pool_size = 3\n"), "--pool_size=4"}).has_value());
}

TEST_F(ConfigTest, AnAddressThatCanNotBeIsAProblem) {
  for (const char* url : {"postgresql://u@h:99999/d", "postgresql://u@h:0/d", "postgresql://u@::1/d",
                          "postgresql://u@a,b,c/d?port=1,2", "postgresql://u@a,b/d?hostaddr=10.0.0.1"}) {
    EXPECT_FALSE(ParseDatabaseUrl(url).ok()) << url;
  }
  for (const char* url : {"postgresql://u@[::1]:1/d", "postgresql://u@a,b:2/d", "postgresql://u@a,b/d?port=1",
                          "postgresql://u@a,b/d?hostaddr=10.0.0.1,10.0.0.2", "postgresql://u@/d?host=/tmp/a:b"}) {
    EXPECT_TRUE(ParseDatabaseUrl(url).ok()) << url;
  }
  for (const char* listen : {"127.0.0.1: 7777", "127.0.0.1:+7777", "127.0.0.1:", "127.0.0.1:65536"}) {
    EXPECT_FALSE(Make({std::string("--listen=") + listen}).has_value()) << listen;
  }
  problems_.clear();
  EXPECT_TRUE(Make({"--listen=LOCALHOST:0"}).has_value()) << Problems();
}

TEST_F(ConfigTest, HelpNamesEverySettingWithItsVariable) {
  const std::string help = HelpText();
  for (const Setting& setting : Settings()) {
    EXPECT_TRUE(absl::StrContains(help, absl::StrCat("--", setting.name, "  (", setting.environment))) << setting.name;
  }
}

TEST_F(ConfigTest, AFlagThatIsGivenTwiceIsAProblem) {
  EXPECT_FALSE(Make({"--pool_size=1", "--pool-size=2"}).has_value());
  EXPECT_TRUE(absl::StrContains(Problems(), "given twice")) << Problems();
}

TEST_F(ConfigTest, ReportsAllProblemsAtOnceWithTheirNames) {
  TestEnvironment() = {{"DATABASE_URL", "mysql://app:secret@db"}, {"SLUICE_POOL_SIZE", "many"}};
  EXPECT_FALSE(Make({"--call_timeout=soon", "--nonsense", "--jit_strategy=off"}).has_value());
  for (const char* part : {"database_url (from DATABASE_URL)", "pool_size (from SLUICE_POOL_SIZE)", "call_timeout",
                           "--nonsense", "jit_strategy"}) {
    EXPECT_TRUE(absl::StrContains(Problems(), part)) << part << " is missing in:\n" << Problems();
  }
  EXPECT_FALSE(absl::StrContains(Problems(), "secret"));
}

TEST_F(ConfigTest, AnotherAddressThanLoopbackNeedsTlsAndCallers) {
  EXPECT_FALSE(Make({"--listen=0.0.0.0:7432"}).has_value());
  EXPECT_TRUE(absl::StrContains(Problems(), "tls_cert"));
  EXPECT_TRUE(absl::StrContains(Problems(), "callers_file"));
  EXPECT_FALSE(Make({"--listen=[::]:7432", "--tls_cert=c", "--tls_key=k"}).has_value());
  EXPECT_FALSE(Make({"--listen=10.0.0.1:7432", "--callers_file=f"}).has_value());
  EXPECT_TRUE(Make({"--listen=0.0.0.0:7432", "--tls_cert=c", "--tls_key=k", "--callers_file=f"}).has_value());
  EXPECT_FALSE(Make({"--listen=127.0.0.1.example.com:7432"}).has_value());
  EXPECT_FALSE(Make({"--listen=unix:"}).has_value());
  EXPECT_TRUE(Make({"--listen=0.0.0.0:7432", "--insecure"}).has_value());
  for (const char* local : {"127.0.0.1:0", "localhost:1", "[::1]:1", "unix:/tmp/x"}) {
    EXPECT_TRUE(Make({std::string("--listen=") + local}).has_value()) << local;
  }
}

TEST_F(ConfigTest, TheTestDatabaseWinsWhenTesting) {
  TestEnvironment()["TEST_DATABASE_URL"] = "postgresql://app@db/test";
  EXPECT_EQ(Make({})->database.parameters.at("dbname"), "shop");
  EXPECT_EQ(Make({"--env=testing"})->database.parameters.at("dbname"), "test");
}

TEST(DatabaseUrlTest, UnderstandsOtherDriversUrls) {
  absl::StatusOr<DatabaseUrl> url = ParseDatabaseUrl(
      "postgresql+asyncpg://postgres.ref:p%40ss%3Aword@aws-0.pooler.supabase.com:6543/postgres"
      "?prepared_statement_cache_size=0&pgbouncer=true&ssl=require&sslrootcert=%2Fca.pem");
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(url->parameters.at("user"), "postgres.ref");
  EXPECT_EQ(url->parameters.at("password"), "p@ss:word");
  EXPECT_EQ(url->parameters.at("host"), "aws-0.pooler.supabase.com");
  EXPECT_EQ(url->parameters.at("port"), "6543");
  EXPECT_EQ(url->parameters.at("dbname"), "postgres");
  EXPECT_EQ(url->parameters.at("sslmode"), "require");
  EXPECT_EQ(url->parameters.at("sslrootcert"), "/ca.pem");
  EXPECT_EQ(url->ignored.size(), 2u);
}

TEST(DatabaseUrlTest, TakesSocketsIpv6AndSeveralHosts) {
  EXPECT_EQ(ParseDatabaseUrl("postgres:///shop?host=/var/run/postgresql")->parameters.at("host"),
            "/var/run/postgresql");
  EXPECT_EQ(ParseDatabaseUrl("postgres://u@%2Ftmp%2Fpg/shop")->parameters.at("host"), "/tmp/pg");
  EXPECT_EQ(ParseDatabaseUrl("postgres://u@[::1]:5433/shop")->parameters.at("host"), "::1");
  EXPECT_EQ(ParseDatabaseUrl("postgres://u@a:1,b:2/shop")->parameters.at("port"), "1,2");
  EXPECT_EQ(ParseDatabaseUrl("postgres://u:a@b@c/shop")->parameters.at("password"), "a@b");
}

TEST(DatabaseUrlTest, NeverQuotesTheUrlInAnError) {
  for (const char* bad : {"secret", "http://u:secret@h/d", "postgres://u:secret%@h/d", "postgres://u:secret@h:port/d",
                          "postgres://u:secret@h/d?nonsense=secret", "postgres://u:secret@h/d?sslmode=maybe",
                          "postgres://u:123?secret@h/d", "postgres://u:secret@[::1/d"}) {
    absl::StatusOr<DatabaseUrl> url = ParseDatabaseUrl(bad);
    ASSERT_FALSE(url.ok()) << bad;
    EXPECT_FALSE(absl::StrContains(url.status().message(), "secret")) << url.status();
  }
}

// Settings, URLs and files of random bytes and of pieces of good ones: a configuration, or problems that say so.
TEST_F(ConfigTest, NothingThatIsConfiguredIsFatal) {
  std::mt19937 random(20221110);
  const auto pick = [&random](int first, int last) { return std::uniform_int_distribution<int>(first, last)(random); };
  const std::vector<std::string> pieces = {"postgresql://",
                                           "postgres://",
                                           "postgresql+asyncpg://",
                                           "user",
                                           ":",
                                           "@",
                                           "host",
                                           ",",
                                           "/",
                                           "?",
                                           "&",
                                           "=",
                                           "%",
                                           "%2",
                                           "%00",
                                           "%zz",
                                           "[::1]",
                                           "[",
                                           "]",
                                           "5432",
                                           "99999999999",
                                           "sslmode=",
                                           "verify-full",
                                           "host=",
                                           "/tmp",
                                           "unix:",
                                           "=",
                                           "\"",
                                           "'",
                                           "#",
                                           "\n",
                                           " ",
                                           "\t",
                                           "export ",
                                           "SLUICE_POOL_SIZE",
                                           "pool_size",
                                           "-1",
                                           "1e9",
                                           "10ms",
                                           "1h",
                                           "inf",
                                           "nan",
                                           "true",
                                           "\xff",
                                           "\\"};
  const auto text = [&] {
    std::string made;
    for (int left = pick(0, 12); left > 0; --left) {
      made += pick(0, 5) == 0 ? std::string(1, static_cast<char>(pick(1, 255)))
                              : pieces[pick(0, static_cast<int>(pieces.size()) - 1)];
    }
    return made;
  };
  int good = 0, bad = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> arguments;
    const std::vector<Setting>& settings = Settings();
    for (int left = pick(0, 3); left > 0; --left) {
      const std::string& name = settings[pick(0, static_cast<int>(settings.size()) - 1)].name;
      arguments.push_back(pick(0, 3) == 0 ? text() : absl::StrCat("--", name, "=", text()));
    }
    TestEnvironment()["DATABASE_URL"] = pick(0, 1) == 0 ? text() : "postgresql://app@db/shop?" + text();
    const bool made =
        Make(arguments, pick(0, 9) == 0 ? FileWith("random", text() + text()) : "/nonexistent").has_value();
    EXPECT_NE(made, !problems_.empty()) << absl::StrJoin(arguments, " ");
    ++(made ? good : bad);
  }
  EXPECT_GT(good, 100);
  EXPECT_GT(bad, 100);
}

class ReloadTest : public ConfigTest {
 protected:
  // What comes of one file after another.
  std::optional<Reload> Change(const std::string& before, const std::string& after) {
    problems_.clear();
    const std::vector<std::string> arguments = {"--config_file=" + FileWith("reload.conf", before)};
    const RawSettings running = GatherSettings(arguments, LookUp, "/nonexistent");
    FileWith("reload.conf", after);
    return MakeReload(running, GatherSettings(arguments, LookUp, "/nonexistent"), &problems_);
  }
  void SetUp() override { TestEnvironment().clear(); }
};

constexpr char kUrl[] = "database_url = postgresql://app:old@db:6543/shop\n";

TEST_F(ReloadTest, LiveSettingsAreTakenAndTheOthersWait) {
  const std::optional<Reload> reload =
      Change(absl::StrCat(kUrl, "pool_size = 5\nlisten = 127.0.0.1:1\nslow_call = 1s\n"),
             absl::StrCat(kUrl, "pool_size = 9\nlisten = 127.0.0.1:2\nslow_call = 1s\n"));
  ASSERT_TRUE(reload.has_value()) << Problems();
  EXPECT_EQ(reload->config.pool_size, 9);
  EXPECT_EQ(reload->config.listen, "127.0.0.1:1");
  EXPECT_EQ(reload->changed, (std::vector<std::string>{"listen", "pool_size"}));
  EXPECT_EQ(reload->waiting, std::vector<std::string>{"listen"});
  // What waits is told again by the next one.
  EXPECT_EQ(reload->raw.values.at("listen").text, "127.0.0.1:1");
}

TEST_F(ReloadTest, NewCredentialsAreTakenButNoOtherPlace) {
  const std::optional<Reload> credentials = Change(kUrl, "database_url = postgresql://app2:new@db:6543/shop\n");
  ASSERT_TRUE(credentials.has_value()) << Problems();
  EXPECT_TRUE(credentials->waiting.empty());
  EXPECT_EQ(credentials->config.database.parameters.at("password"), "new");
  for (const char* other : {"app:old@db2:6543/shop", "app:old@db:5432/shop", "app:old@db:6543/shop2"}) {
    const std::optional<Reload> place = Change(kUrl, absl::StrCat("database_url = postgresql://", other, "\n"));
    ASSERT_TRUE(place.has_value()) << Problems();
    EXPECT_EQ(place->config.database.Display(), "postgresql://app@db:6543/shop");
    EXPECT_EQ(place->waiting, std::vector<std::string>{"database_url (another host, port, database or tenant)"});
  }
  // Supavisor's users name the project, and with it the database.
  const char* const supabase = "database_url = postgresql://postgres.abc:old@db:6543/postgres\n";
  const std::optional<Reload> tenant =
      Change(supabase, "database_url = postgresql://postgres.xyz:old@db:6543/postgres\n");
  EXPECT_EQ(tenant->waiting.size(), 1u);
  EXPECT_TRUE(Change(supabase, "database_url = postgresql://app.abc:new@db:6543/postgres\n")->waiting.empty());
  EXPECT_TRUE(Change(kUrl, "database_url = postgresql://first.last:new@db:6543/shop\n")->waiting.empty());
}

TEST_F(ReloadTest, WhatSwitchesSomethingOnOrOffWaits) {
  const std::optional<Reload> reload =
      Change(kUrl, absl::StrCat(kUrl, "callers_file = /callers.json\nlisten_url = postgresql://app@db:5432/shop\n"));
  ASSERT_TRUE(reload.has_value()) << Problems();
  EXPECT_EQ(reload->waiting,
            (std::vector<std::string>{"callers_file (to switch it on or off)", "listen_url (to switch it on or off)"}));
  EXPECT_FALSE(reload->config.listen_database.has_value());
}

TEST_F(ReloadTest, BadSettingsAreRefusedWholeWithAllTheirProblems) {
  EXPECT_FALSE(Change(kUrl, absl::StrCat(kUrl, "pool_size = many\nslow_call = 2\nreply_bytes_max = 4096\n")));
  EXPECT_EQ(problems_.size(), 2u) << Problems();
  EXPECT_FALSE(Change(kUrl, absl::StrCat(kUrl, "no_such_setting = 1\n")));
  EXPECT_FALSE(Change(kUrl, "pool_size = 3\n"));
  // Each good by itself, but not with what stays.
  EXPECT_FALSE(Change(absl::StrCat(kUrl, "pool_size = 5\npool_warm = 4\n"),
                      absl::StrCat(kUrl, "pool_size = 3\npool_warm = 2\n")));
  EXPECT_TRUE(absl::StrContains(Problems(), "pool_warm")) << Problems();
}

TEST(ReferenceTest, IsWhatTheSettingsSay) {
  std::ifstream file("docs/configuration.md");
  std::stringstream committed;
  committed << file.rdbuf();
  EXPECT_EQ(committed.str(), ReferenceText())
      << "docs/configuration.md is stale: bazel run //tools:settings_reference > docs/configuration.md";
}

}  // namespace
}  // namespace sluice::config
