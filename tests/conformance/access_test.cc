// Who gets in, and what they may do: TLS, tokens, client certificates, permissions; and
// TLS and passwords towards PostgreSQL.

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"
#include "tests/support/certificates.h"
#include "tests/support/secure_postgres.h"

namespace sluice {
namespace {

using testing_support::Certificates;
using testing_support::Direct;
using testing_support::Eventually;
using testing_support::Gateway;
using testing_support::PostgresServer;

class AccessTest : public testing::Test {
 protected:
  std::string Callers(const std::string& writers_token) {
    return absl::StrCat(R"({"callers": [
      {"name": "writer", "token_sha256": ")",
                        testing_support::TokenHash(writers_token), R"(", "permissions": ["sql"]},
      {"name": "reader", "token_sha256": ")",
                        testing_support::TokenHash("reader-token"), R"(", "permissions": ["read_only"]},
      {"name": "loader", "token_sha256": ")",
                        testing_support::TokenHash("loader-token"), R"(", "permissions": ["copy"]},
      {"name": "dumper", "token_sha256": ")",
                        testing_support::TokenHash("dumper-token"), R"(", "permissions": ["read_only", "copy"]},
      {"name": "listener", "token_sha256": ")",
                        testing_support::TokenHash("listener-token"), R"(", "permissions": ["listen"]},
      {"name": "service", "certificate_san": "spiffe://test/service", "permissions": ["sql"]}]})");
  }

  client::Database As(const Gateway& gateway, const std::string& token) {
    client::Database::Options options;
    options.target = gateway.address();
    options.ca_file = certificates_.ca();
    options.token = token;
    return *client::Database::Open(options);
  }

  std::vector<std::string> TlsFlags() {
    return {"--listen=127.0.0.1:0",
            "--tls_cert=" + server_.cert,
            "--tls_key=" + server_.key,
            "--tls_client_ca=" + certificates_.ca(),
            "--callers_file=" + callers_path_,
            "--log_format=json"};
  }

  PostgresServer postgres_;
  Certificates certificates_;
  Certificates::Pair server_ = certificates_.Issue("server", "DNS:localhost,IP:127.0.0.1");
  testing_support::TempDir directory_;
  std::string callers_path_ = directory_.Write("callers.json", Callers("writer-token"));
};

TEST_F(AccessTest, OnlyKnownCallersGetIn) {
  const Gateway gateway(postgres_.Url(), TlsFlags());
  EXPECT_EQ(Reason(As(gateway, "writer-token").Execute("SELECT 1")), "ok");
  EXPECT_EQ(Reason(As(gateway, "").Execute("SELECT 1")), "TOKEN_MISSING");
  const absl::StatusOr<client::Result> wrong = As(gateway, "guess").Execute("SELECT 1");
  EXPECT_EQ(wrong.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Reason(wrong), "TOKEN_INVALID");
  EXPECT_EQ(Reason(As(gateway, "guess").Ping()), "TOKEN_INVALID");
  // Health needs no token: orchestrators have none.
  EXPECT_TRUE(As(gateway, "").CheckHealth("liveness").ok());
  ASSERT_TRUE(gateway.Logs("\"method\":\"Ping\""));
  for (const char* token : {"guess", "writer-token"}) EXPECT_FALSE(absl::StrContains(gateway.log(), token));
}

// gRPC would end the caller's process.
TEST_F(AccessTest, ATokenWithANewlineIsAnErrorOfItsOwner) {
  client::Database::Options options;
  options.target = "unix:/nonexistent";
  options.token = "token\n";
  EXPECT_EQ(client::Database::Open(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AccessTest, ACertificateIsAsGoodAsAToken) {
  const Gateway gateway(postgres_.Url(), TlsFlags());
  const Certificates::Pair known = certificates_.Issue("service", "URI:spiffe://test/service");
  const Certificates::Pair stranger = certificates_.Issue("stranger", "URI:spiffe://test/stranger");
  client::Database::Options options;
  options.target = gateway.address();
  options.ca_file = certificates_.ca();
  options.cert_file = known.cert;
  options.key_file = known.key;
  EXPECT_EQ(Reason(client::Database::Open(options)->Execute("SELECT 1")), "ok");
  options.cert_file = stranger.cert;
  options.key_file = stranger.key;
  EXPECT_EQ(Reason(client::Database::Open(options)->Execute("SELECT 1")), "TOKEN_INVALID");
}

// A table in and out, and nothing of the caller's own SQL.
TEST_F(AccessTest, CopyingIsAPermissionOfItsOwn) {
  Direct(postgres_.ConnectionString()).Run("CREATE TABLE loaded (n int)");
  const Gateway gateway(postgres_.Url(), TlsFlags());
  const auto load = [](const client::Database& db) {
    client::CopyWriter copy = db.CopyIn(client::Table("loaded"));
    copy.Write("1\n");
    return Reason(copy.Commit());
  };
  const auto dump = [](client::CopyReader reader) {
    std::string all;
    for (std::string piece; reader.Read(&piece);) all += piece;
    return reader.status().ok() ? all : ReasonOf(reader.status());
  };
  const client::Database loader = As(gateway, "loader-token");
  EXPECT_EQ(load(loader), "ok");
  EXPECT_EQ(dump(loader.CopyOut(client::Table("loaded"))), "1\n");
  EXPECT_EQ(dump(loader.CopyOut(client::Statement("SELECT 1"))), "STATEMENT_NOT_ALLOWED");
  EXPECT_EQ(Reason(loader.Execute("SELECT 1")), "STATEMENT_NOT_ALLOWED");
  const client::Database writer = As(gateway, "writer-token");
  EXPECT_EQ(load(writer), "STATEMENT_NOT_ALLOWED");
  EXPECT_EQ(dump(writer.CopyOut(client::Table("loaded"))), "STATEMENT_NOT_ALLOWED");
  // With both: as far as either lets it.
  const client::Database dumper = As(gateway, "dumper-token");
  EXPECT_EQ(dump(dumper.CopyOut(client::Statement("SELECT n + 1 FROM loaded"))), "2\n");
  EXPECT_EQ(dump(dumper.CopyOut(client::Statement("DELETE FROM loaded RETURNING n"))), "STATEMENT_NOT_ALLOWED");
  EXPECT_EQ(dump(dumper.CopyOut(client::Statement("WITH d AS (DELETE FROM loaded RETURNING n) SELECT n FROM d"))),
            "READ_ONLY");
  EXPECT_EQ(Direct(postgres_.ConnectionString()).Value("SELECT count(*) FROM loaded"), "1");
}

TEST_F(AccessTest, ListeningIsAPermissionOfItsOwn) {
  std::vector<std::string> flags = TlsFlags();
  flags.push_back("--listen_url=" + postgres_.Url());
  const Gateway gateway(postgres_.Url(), flags);
  client::Subscription listener = As(gateway, "listener-token").Listen({"a"});
  EXPECT_TRUE(listener.Next()) << listener.status();
  client::Subscription writer = As(gateway, "writer-token").Listen({"a"});
  EXPECT_FALSE(writer.Next());
  EXPECT_EQ(ReasonOf(writer.status()), "STATEMENT_NOT_ALLOWED");
  client::Subscription stranger = As(gateway, "guess").Listen({"a"});
  EXPECT_FALSE(stranger.Next());
  EXPECT_EQ(ReasonOf(stranger.status()), "TOKEN_INVALID");
}

TEST_F(AccessTest, PermissionsHold) {
  Direct(postgres_.ConnectionString()).Run("CREATE TABLE kept (n int)");
  const Gateway gateway(postgres_.Url(), TlsFlags());
  const client::Database reader = As(gateway, "reader-token");
  EXPECT_EQ(Reason(reader.Execute("SELECT count(*) FROM kept")), "ok");
  EXPECT_EQ(Reason(reader.Execute("WITH w AS (INSERT INTO kept VALUES (1) RETURNING n) SELECT * FROM w")), "READ_ONLY");
  for (const char* way_around :
       {"DO $$ BEGIN INSERT INTO kept VALUES (1); END $$", "VACUUM kept", "INSERT INTO kept VALUES (1)",
        "COPY (SELECT 1) TO PROGRAM 'true'", "LOCK TABLE kept", "NOTIFY a"}) {
    EXPECT_EQ(Reason(reader.Execute(way_around)), "STATEMENT_NOT_ALLOWED") << way_around;
  }
  EXPECT_EQ(Reason(reader.Execute("SELECT set_config('transaction_read_only', 'off', true)")), "SESSION_STATE");
  const std::pair<const char*, const char*> openings[] = {
      {"SET LOCAL transaction_read_only = off", "TRANSACTION_CONTROL"},
      {"SET LOCAL \"transaction_read_only\" = off", "TRANSACTION_CONTROL"},
      {"SET LOCAL U&\"transaction\\005fread_only\" = off", "TRANSACTION_CONTROL"},
      {"SELECT set_config('transaction_read_only', 'off', true)", "SESSION_STATE"}};
  for (const auto& [opening, reason] : openings) {
    EXPECT_EQ(
        Reason(reader.ExecuteAtomic({client::Statement(opening), client::Statement("INSERT INTO kept VALUES (1)")})),
        reason)
        << opening;
  }
  for (const char* escape :
       {"EXPLAIN ANALYZE CREATE TABLE escaped AS SELECT 1", "EXPLAIN ANALYZE SELECT 1 AS a INTO escaped",
        "SELECT lo_create(4711)", "SELECT query_to_xml('SELECT lo_create(4711)', true, true, '')"}) {
    const absl::StatusOr<client::Result> escaped = reader.Execute(escape);
    EXPECT_EQ(Reason(escaped), "READ_ONLY") << escape;
    EXPECT_EQ(OutcomeOf(escaped.status()), v1::OUTCOME_NOT_STARTED);
  }
  EXPECT_EQ(Direct(postgres_.ConnectionString()).Value("SELECT count(*) FROM pg_largeobject_metadata"), "0");
  EXPECT_EQ(Direct(postgres_.ConnectionString()).Value("SELECT count(*) FROM pg_class WHERE relname = 'escaped'"), "0");
  const absl::StatusOr<client::Result> listener = As(gateway, "listener-token").Execute("SELECT 1");
  EXPECT_EQ(Reason(listener), "STATEMENT_NOT_ALLOWED");
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Direct(postgres_.ConnectionString()).Value("SELECT count(*) FROM kept"), "0");
}

TEST_F(AccessTest, CallersAreReadAgainOnSighupAndABadFileIsRefusedWhole) {
  Gateway gateway(postgres_.Url(), TlsFlags());
  ASSERT_EQ(Reason(As(gateway, "writer-token").Execute("SELECT 1")), "ok");

  directory_.Write("callers.json", "{\"callers\": [");
  gateway.process().Signal(SIGHUP);
  ASSERT_TRUE(Eventually([&] { return absl::StrContains(gateway.log(), "configuration_refused"); }));
  EXPECT_EQ(Reason(As(gateway, "writer-token").Execute("SELECT 1")), "ok");

  directory_.Write("callers.json", Callers("another-token"));
  gateway.process().Signal(SIGHUP);
  ASSERT_TRUE(Eventually([&] { return absl::StrContains(gateway.log(), "configuration_reloaded"); }));
  EXPECT_EQ(Reason(As(gateway, "writer-token").Execute("SELECT 1")), "TOKEN_INVALID");
  EXPECT_EQ(Reason(As(gateway, "another-token").Execute("SELECT 1")), "ok");
}

TEST_F(AccessTest, InsecureSaysSoAtEveryStart) {
  const Gateway gateway(postgres_.Url(), {"--listen=0.0.0.0:0", "--insecure", "--log_format=text"});
  EXPECT_TRUE(Eventually([&] { return absl::StrContains(gateway.log(), "warning gateway_started"); })) << gateway.log();
  EXPECT_TRUE(gateway.Logs("--insecure: anybody")) << gateway.log();
}

class PostgresAccessTest : public testing::Test {
 protected:
  // What the gateway says of a database that it can not reach, or "ok".
  std::string Outcome(const std::string& url) {
    const Gateway gateway(url, {"--log_format=json"});
    client::CallOptions options;
    options.timeout = absl::Seconds(5);
    absl::StatusOr<client::Result> result = gateway.Client().Execute(client::Statement("SELECT 1"), options);
    EXPECT_FALSE(absl::StrContains(gateway.log(), "pa%24%24word")) << "the password is in the log";
    EXPECT_FALSE(absl::StrContains(gateway.log(), "pa$$word")) << "the password is in the log";
    EXPECT_FALSE(absl::StrContains(result.status().message(), "pa$$word"));
    return result.ok() ? "ok" : std::string(result.status().message()) + gateway.log();
  }

  testing_support::SecurePostgres postgres_;
};

TEST_F(PostgresAccessTest, SslModeIsHonouredUpToVerifyFull) {
  const std::string ca = postgres_.TrustedCa();
  EXPECT_EQ(Outcome(postgres_.Url("127.0.0.1", "sslmode=require")), "ok");
  EXPECT_EQ(Outcome(postgres_.Url("localhost", "sslmode=verify-full&" + ca)), "ok");
  EXPECT_EQ(Outcome(postgres_.Url("127.0.0.1", "sslmode=verify-ca&" + ca)), "ok");
  EXPECT_TRUE(
      absl::StrContains(Outcome(postgres_.Url("127.0.0.1", "sslmode=verify-full&" + ca)), "does not match host name"));
  const Certificates other_ca;
  EXPECT_TRUE(absl::StrContains(Outcome(postgres_.Url("localhost", "sslmode=verify-full&sslrootcert=" + other_ca.ca())),
                                "certificate"));
  EXPECT_TRUE(absl::StrContains(Outcome(postgres_.Url("127.0.0.1", "sslmode=disable")), "no encryption"));
}

TEST_F(PostgresAccessTest, NoPasswordIsInALogOrAnError) {
  for (const char* password : {"pa%24%24word", "in%24corr3ct"}) {
    const Gateway gateway(postgres_.Url(password, "127.0.0.1", "sslmode=require"), {"--echo_sql"});
    const absl::StatusOr<client::Result> result = gateway.Client().Execute("SELECT 1");
    ASSERT_TRUE(gateway.Logs("Execute"));
    const std::string said = absl::StrCat(gateway.log(), result.status().ToString());
    for (const char* secret : {"pa%24%24word", "pa$$word", "in%24corr3ct", "in$corr3ct"}) {
      EXPECT_FALSE(absl::StrContains(said, secret)) << said;
    }
  }
}

TEST_F(PostgresAccessTest, AWrongPasswordIsSaidAtOnceAndTriedRarely) {
  const Gateway gateway(postgres_.Url("wrong", "127.0.0.1", "sslmode=require"), {"--log_format=json"});
  const absl::StatusOr<client::Result> result = gateway.Client().Execute("SELECT 1");
  EXPECT_EQ(Reason(result), "BACKEND_UNREACHABLE");
  EXPECT_TRUE(absl::StrContains(result.status().message(), "password authentication failed")) << result.status();
  // Trying again helps nobody until somebody changes something.
  EXPECT_FALSE(FactsOf(result.status()).retry_after.has_value());
  // At least 15 s (less a quarter) until the next try: Supavisor locks out after ten in 150 s.
  double retry_in_ms = 0;
  ASSERT_TRUE(gateway.Logs("retry_in_ms")) << gateway.log();
  const std::string log = gateway.log();
  const size_t at = log.find("\"retry_in_ms\":");
  ASSERT_TRUE(absl::SimpleAtod(log.substr(at + 14, log.find('}', at) - at - 14), &retry_in_ms)) << log;
  EXPECT_GT(retry_in_ms, 10000);
}

TEST_F(PostgresAccessTest, AMissingPasswordIsSaidAtOnceToo) {
  const Gateway gateway(absl::StrCat("postgresql://app@127.0.0.1:", postgres_.server().port(), "/postgres"));
  const absl::StatusOr<client::Result> result = gateway.Client().Execute("SELECT 1");
  EXPECT_EQ(Reason(result), "BACKEND_UNREACHABLE");
  EXPECT_TRUE(absl::StrContains(result.status().message(), "no password supplied")) << result.status();
  EXPECT_FALSE(FactsOf(result.status()).retry_after.has_value());
}

// The first of several addresses takes the connection and says nothing.
TEST_F(PostgresAccessTest, AnAddressThatSwallowsAllDoesNotTakeAllTheTime) {
  const int silent = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(silent, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(silent, 5), 0);
  ASSERT_EQ(getsockname(silent, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const Gateway gateway(absl::StrCat("postgresql://app:pa%24%24word@127.0.0.1:", ntohs(address.sin_port),
                                     ",127.0.0.1:", postgres_.server().port(), "/postgres?sslmode=require"),
                        {"--connect_timeout=4s"});
  EXPECT_EQ(Reason(gateway.Client().Execute("SELECT 1")), "ok");
  close(silent);
}

TEST_F(PostgresAccessTest, ThePasswordIsNotInPs) {
  Gateway gateway("", {"--database_url=" + postgres_.Url("127.0.0.1", "sslmode=require")});
  ASSERT_TRUE(gateway.AwaitReady());
  const std::string command_line =
      testing_support::ReadFile(absl::StrCat("/proc/", gateway.process().pid(), "/cmdline"));
  EXPECT_FALSE(absl::StrContains(command_line, "word")) << command_line;
  EXPECT_TRUE(absl::StrContains(command_line, "sluiced"));
}

}  // namespace
}  // namespace sluice
