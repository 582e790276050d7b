// sluice doctor finds out what is on the other side of a database URL, or what is wrong with
// it; each line says what was tried, what was seen, and what to do.

#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/direct.h"
#include "tests/support/gateway.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/secure_postgres.h"
#include "tests/support/sluice_command.h"
#include "tests/support/temp_dir.h"
#include "tests/support/unix_socket.h"

namespace sluice {
namespace {

using testing_support::Ended;
using testing_support::PgBouncer;
using testing_support::PostgresServer;
using testing_support::SecurePostgres;

Ended Examine(const std::string& url) { return testing_support::RunSluice({"doctor", "--database_url", url}); }

void ExpectParts(const Ended& ended, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    EXPECT_TRUE(absl::StrContains(ended.output, part)) << "«" << part << "» is missing in\n" << ended.output;
  }
}

TEST(DoctorTest, FindsPostgresItself) {
  const PostgresServer postgres;
  const Ended ended = Examine(postgres.Url());
  EXPECT_EQ(ended.exit_code, 0);
  ExpectParts(ended, {"connect to ", "none: this is PostgreSQL itself", "ask for JIT: on, set by default",
                      "ALTER ROLE postgres SET jit = off", "of 97 in use; for this role no limit",
                      "look for sluice.requests: none", "median", "This database can be served."});
}

TEST(DoctorTest, FindsThePoolerAndItsMode) {
  const PostgresServer postgres;
  for (const char* mode : {"session", "transaction", "statement"}) {
    SCOPED_TRACE(mode);
    PgBouncer::Options options;
    options.pool_mode = mode;
    const PgBouncer pgbouncer(postgres, options);
    const Ended ended = Examine(pgbouncer.Url());
    EXPECT_EQ(ended.exit_code, 0) << ended.output;
    ExpectParts(ended, {absl::StrCat("PgBouncer in ", mode, " mode")});
    if (mode != std::string("transaction")) continue;
    // PgBouncer 1.24 has max_prepared_statements set, and 1.18 does not have it.
    const bool is_carried = absl::StrContains(ended.output, "the pooler carries it along");
    ExpectParts(ended, {is_carried ? "ok    prepare a statement" : "\"prepared statement does not exist\""});
  }
}

// It lets a client ask, and does not tell the server.
TEST(DoctorTest, APoolerThatIgnoresAnOptionDoesNotTakeIt) {
  const PostgresServer postgres;
  PgBouncer::Options options;
  options.settings = {"ignore_startup_parameters = options"};
  const PgBouncer pgbouncer(postgres, options);
  ExpectParts(Examine(pgbouncer.Url()), {"a pooler that ignores startup options in transaction mode"});
}

TEST(DoctorTest, TellsEncryptedFromProven) {
  SecurePostgres postgres;
  const Ended encrypted = Examine(postgres.Url("127.0.0.1", "sslmode=require"));
  EXPECT_EQ(encrypted.exit_code, 0) << encrypted.output;
  ExpectParts(encrypted, {"resolve 127.0.0.1", "offers TLS", "does not prove whom you talk to", "sslmode=verify-full"});
  const Ended proven = Examine(postgres.Url("localhost", "sslmode=verify-full&" + postgres.TrustedCa()));
  EXPECT_EQ(proven.exit_code, 0) << proven.output;
  ExpectParts(proven, {"the server is who it says"});
}

TEST(DoctorTest, SaysWhatIsWrongWithALoginAndWhatToDo) {
  SecurePostgres postgres;
  const struct {
    std::string url;
    const char* seen;
    const char* advice;
  } cases[] = {
      {postgres.Url("wrong", "127.0.0.1", "sslmode=require"), "28P01", "check user and password"},
      {postgres.Url("127.0.0.1", "sslmode=disable"), "no encryption", "the server takes no such connection"},
      {postgres.Url("127.0.0.1", "sslmode=verify-full&" + postgres.TrustedCa()), "does not match host name",
       "connect by the name"},
      {postgres.Url("localhost", "sslmode=verify-full&sslrootcert=/nonexistent.pem"), "root certificate",
       "need sslrootcert"},
      {postgres.server().Url("nowhere"), "\"nowhere\" does not exist", "check the database name"},
  };
  for (const auto& broken : cases) {
    SCOPED_TRACE(broken.seen);
    const Ended ended = Examine(broken.url);
    EXPECT_EQ(ended.exit_code, 1);
    ExpectParts(ended, {broken.seen, broken.advice, "can not be used"});
    for (const char* password : {"pa$$word", "pa%24%24word", "wrong"}) {
      EXPECT_FALSE(absl::StrContains(ended.output, password)) << "a password is shown:\n" << ended.output;
    }
  }
}

TEST(DoctorTest, SaysWhyNothingIsReached) {
  const struct {
    const char* url;
    const char* seen;
    const char* advice;
  } cases[] = {
      {"postgresql://u@127.0.0.1:1/d", "connect to 127.0.0.1 port 1: Connection refused", "nothing listens there"},
      {"postgresql://u@no-such-host.invalid/d", "resolve no-such-host.invalid", "check the host name"},
      {"postgresql://u@/d?host=/nonexistent", "/nonexistent/.s.PGSQL.5432: No such file", "no server has this socket"},
  };
  for (const auto& broken : cases) {
    SCOPED_TRACE(broken.url);
    const Ended ended = Examine(broken.url);
    EXPECT_EQ(ended.exit_code, 1);
    ExpectParts(ended, {broken.seen, broken.advice, "can not be used"});
  }
}

TEST(DoctorTest, SaysThatTheServerIsNearlyFull) {
  const PostgresServer postgres({"max_connections = 5", "superuser_reserved_connections = 3"});
  testing_support::Direct somebody(postgres.ConnectionString());
  ASSERT_EQ(somebody.Value("SELECT 1"), "1");
  ExpectParts(Examine(postgres.Url()), {"2 of 2 in use", "nearly full"});
  // A role that may not see what the others do.
  somebody.Run("CREATE ROLE plain LOGIN");
  ExpectParts(Examine(postgres.Url("postgres", "plain")), {"2 of 2 in use", "nearly full"});
}

TEST(DoctorTest, BackendsThatTakeTurnsAreNoSessions) {
  const PostgresServer postgres;
  PgBouncer::Options options;
  options.settings = {"server_round_robin = 1"};
  const PgBouncer pgbouncer(postgres, options);
  // Two of them.
  testing_support::Direct one(pgbouncer.ConnectionString()), other(pgbouncer.ConnectionString());
  for (auto* direct : {&one, &other}) direct->Run("BEGIN");
  for (auto* direct : {&one, &other}) direct->Run("COMMIT");
  ExpectParts(Examine(pgbouncer.Url()), {"PgBouncer in transaction mode"});
}

// The doctor's own question about prepared statements needs a second backend.
TEST(DoctorTest, ComesToAnEndOnAPoolOfOne) {
  const PostgresServer postgres;
  PgBouncer::Options options;
  options.default_pool_size = 1;
  const PgBouncer pgbouncer(postgres, options);
  const Ended ended = Examine(pgbouncer.Url());
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  ExpectParts(ended, {"in transaction mode", "could not be tried", "This database can be served."});
}

// One address of a name that does not answer, beside one that does, is no trouble.
TEST(DoctorTest, OneAddressThatAnswersIsEnough) {
  SecurePostgres postgres;
  const std::string url = absl::StrCat("postgresql://app:pa%24%24word@127.0.0.1:1,127.0.0.1:", postgres.server().port(),
                                       "/postgres?sslmode=require");
  const Ended ended = Examine(url);
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  ExpectParts(ended, {"connect to 127.0.0.1 port 1: Connection refused", "This database can be served."});
}

// As libpq reads the lists: each host has its port.
TEST(DoctorTest, LooksWhereTheGatewayWouldConnectTo) {
  SecurePostgres postgres;
  const std::string port = absl::StrCat(postgres.server().port());
  const std::string login = "postgresql://app:pa%24%24word@";
  const Ended by_address = Examine(login + "no-such-host.invalid:" + port + "/postgres?hostaddr=127.0.0.1");
  EXPECT_EQ(by_address.exit_code, 0) << by_address.output;
  ExpectParts(by_address, {"connect to 127.0.0.1 port " + port, "This database can be served."});
  ExpectParts(Examine(login + "/postgres?host=/nonexistent,127.0.0.1&port=1," + port),
              {"read the URL: postgresql://app@/nonexistent:1,127.0.0.1:" + port + "/postgres",
               "connect to /nonexistent/.s.PGSQL.1: No such file", "connect to 127.0.0.1 port " + port});
  const Ended odd = Examine(login + "a,b,c/postgres?port=1,2");
  EXPECT_EQ(odd.exit_code, 2) << odd.output;
  ExpectParts(odd, {"it has 3 hosts and 2 ports"});
}

TEST(DoctorTest, TellsAServerThatHangsFromAnotherService) {
  const testing_support::TempDir directory;
  const int silent = testing_support::ListenAt(directory.File(".s.PGSQL.5432"));
  const Ended ended = Examine("postgresql://u@/d?host=" + directory.path());
  EXPECT_EQ(ended.exit_code, 1);
  ExpectParts(ended, {"says nothing for 10.0 s", "the server hangs or is overloaded"});
  close(silent);
}

TEST(DoctorTest, KnowsAPortThatIsNotPostgres) {
  const PostgresServer postgres;
  const testing_support::Gateway gateway(postgres.Url(), {"--listen=127.0.0.1:0"});
  const Ended ended = Examine(absl::StrCat("postgresql://u@", gateway.address(), "/d"));
  EXPECT_EQ(ended.exit_code, 1);
  ExpectParts(ended, {"does not speak PostgreSQL's protocol", "check the port"});
}

}  // namespace
}  // namespace sluice
