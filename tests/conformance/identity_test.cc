// A call may run as somebody: role and claims are set, used and gone in its own round trip.

#include <cstdlib>
#include <future>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

using testing_support::Gateway;

class IdentityTest : public ConformanceTest {
 protected:
  // Row-level security as Supabase has it: a row is for whom its owner column names.
  static void SetUpTestSuite() {
    ConformanceTest::SetUpTestSuite();
    testing_support::Direct(postgres_->ConnectionString())
        .Run(
            "CREATE ROLE login_only LOGIN NOINHERIT; CREATE ROLE app_user NOLOGIN; CREATE ROLE outsider NOLOGIN;"
            "GRANT app_user TO login_only;"
            "CREATE TABLE docs (owner text, body text);"
            "ALTER TABLE docs ENABLE ROW LEVEL SECURITY;"
            "CREATE POLICY own ON docs USING (owner = (nullif(current_setting('request.jwt.claims', true), '')::jsonb "
            "->> 'sub'));"
            "GRANT SELECT, INSERT, UPDATE ON docs TO app_user;"
            "INSERT INTO docs VALUES ('ann', 'of ann'), ('bob', 'of bob')");
  }

  void SetUp() override {
    ConformanceTest::SetUp();
    behind_login_ =
        std::make_unique<Gateway>(postgres_->Url("postgres", "login_only"), std::vector<std::string>{"--pool_size=1"});
  }

  static client::CallOptions As(const std::string& role, const std::string& subject) {
    client::CallOptions options;
    options.identity.emplace();
    options.identity->set_role(role);
    if (!subject.empty()) options.identity->set_claims_json(absl::StrCat("{\"sub\": \"", subject, "\"}"));
    return options;
  }

  absl::StatusOr<client::Result> Run(const std::string& sql, const client::CallOptions& options) {
    return behind_login_->Client().Execute(client::Statement(sql), options);
  }

  std::unique_ptr<Gateway> behind_login_;
};

TEST_F(IdentityTest, EachSeesItsOwnRowsInOneRoundTrip) {
  for (const char* who : {"ann", "bob"}) {
    const absl::StatusOr<client::Result> docs = Run("SELECT body FROM docs", As("app_user", who));
    ASSERT_TRUE(docs.ok()) << docs.status();
    EXPECT_EQ(*docs->Scalar<std::string>(), absl::StrCat("of ", who));
    EXPECT_EQ(docs->info().round_trips(), 1);
  }
  EXPECT_EQ(Run("SELECT body FROM docs", As("app_user", ""))->size(), 0);
  EXPECT_EQ(Reason(Run("INSERT INTO docs VALUES ('ann', 'forged')", As("app_user", "bob"))), "INSUFFICIENT_PRIVILEGE");
}

TEST_F(IdentityTest, ABatchRunsAsOneWhole) {
  const auto results =
      behind_login_->Client().ExecuteAtomic({client::Statement("UPDATE docs SET body = body RETURNING owner"),
                                             client::Statement("SELECT current_user::text")},
                                            As("app_user", "ann"));
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(*(*results)[0].Scalar<std::string>(), "ann");
  EXPECT_EQ(*(*results)[1].Scalar<std::string>(), "app_user");
}

TEST_F(IdentityTest, ItIsGoneWithItsCall) {
  ASSERT_TRUE(Run("SELECT 1", As("app_user", "ann")).ok());
  EXPECT_FALSE(Run("SELECT 1/0", As("app_user", "ann")).ok());
  const absl::StatusOr<client::Result> after = Run(
      "SELECT current_user || ' ' || coalesce(current_setting('request.jwt.claims', true), '')", client::CallOptions());
  EXPECT_EQ(*after->Scalar<std::string>(), "login_only ");
}

// What another client of the pooler left in a session is not this call's.
// Nobody looks into the body of a DO.
TEST_F(IdentityTest, WhoeverASessionWasLeftAsIsNobodyElse) {
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(Reason(behind_login_->Client().Execute("DO $$ BEGIN SET ROLE app_user; END $$")), "ok");
    EXPECT_EQ(*behind_login_->Client().Execute("SELECT current_user::text")->Scalar<std::string>(), "login_only");
    EXPECT_EQ(*Run("SELECT current_user::text", As("", "ann"))->Scalar<std::string>(), "login_only");
  }
}

TEST_F(IdentityTest, ItHasNobodyElsesClaims) {
  const Gateway gateway(pgbouncer_->Url(), {"--pool_size=1"});
  testing_support::Direct(pgbouncer_->ConnectionString())
      .Run("SELECT set_config('request.jwt.claims', '{\"sub\": \"ann\"}', false)");
  const absl::StatusOr<client::Result> docs =
      gateway.Client().Execute(client::Statement("SELECT body FROM docs"), As("app_user", ""));
  ASSERT_TRUE(docs.ok()) << docs.status();
  EXPECT_EQ(docs->size(), 0);
}

TEST_F(IdentityTest, ARoleThatIsNotGrantedIsRefused) {
  for (const char* role : {"outsider", "postgres", "no_such_role"}) {
    const absl::Status status = Run("SELECT 1", As(role, "ann")).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
    EXPECT_EQ(ReasonOf(status), "IDENTITY_REFUSED");
    EXPECT_EQ(FactsOf(status).metadata.at("field"), "options.identity.role");
    EXPECT_EQ(FactsOf(status).metadata.at("role"), role);
  }
}

// PostgreSQL reads the whole message before it runs the first statement of it.
TEST_F(IdentityTest, ASyntaxErrorIsNoRefusalOfARole) {
  const absl::StatusOr<client::Result> broken = Run("SELECT 1 FRM docs WHERE", As("app_user", "ann"));
  EXPECT_EQ(Reason(broken), "SYNTAX_ERROR");
  EXPECT_EQ(FactsOf(broken.status()).metadata.at("position"), "14");
  const auto batch = behind_login_->Client().ExecuteAtomic(
      {client::Statement("SELECT 1"), client::Statement("SELEC 2")}, As("app_user", "ann"));
  EXPECT_EQ(ReasonOf(batch.status()), "SYNTAX_ERROR");
  EXPECT_EQ(FactsOf(batch.status()).metadata.at("statementIndex"), "1");
}

TEST_F(IdentityTest, NoIdentityIsAnInjection) {
  EXPECT_EQ(Reason(Run("SELECT 1", As("app_user', true); DROP TABLE docs; --", "ann"))), "IDENTITY_REFUSED");
  client::CallOptions options = As("app_user", "");
  options.identity->set_claims_json("{\"sub\": \"ann'); RESET ROLE; --\\\\\"}");
  const absl::StatusOr<client::Result> claims =
      Run("SELECT current_setting('request.jwt.claims')::jsonb ->> 'sub'", options);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(*claims->Scalar<std::string>(), "ann'); RESET ROLE; --\\");
  for (const char* no_object : {"[1]", "{", "\"ann\"", "null"}) {
    options.identity->set_claims_json(no_object);
    EXPECT_EQ(Reason(Run("SELECT 1", options)), "INVALID_FIELD") << no_object;
  }
  EXPECT_EQ(Reason(Run("SELECT 1", As("none", "ann"))), "INVALID_FIELD");
}

TEST_F(IdentityTest, WhatCanNotRunInATransactionCanNotHaveOne) {
  EXPECT_EQ(Reason(Run("DO $$ BEGIN END $$", As("app_user", "ann"))), "ACTIVE_SQL_TRANSACTION");
  EXPECT_EQ(Reason(Run("VACUUM docs", As("app_user", "ann"))), "ACTIVE_SQL_TRANSACTION");
}

// docs/security.md: it protects from mistakes. Free SQL can leave a role, within its own flight and
// as far as the login is granted; another call never notices.
TEST_F(IdentityTest, WhatItDoesNotProtectFrom) {
  for (const char* escape : {"RESET ROLE", "SET ROLE postgres", "SELECT 1; RESET ROLE", "COMMIT",
                             "SET SESSION AUTHORIZATION postgres", "SELECT set_config('role', 'none', true)"}) {
    EXPECT_FALSE(Run(escape, As("app_user", "ann")).ok()) << escape;
  }
  // A name that is put together at run time is not seen. Back to the login, then, which owns nothing
  // here: NOINHERIT, and no right of its own.
  const auto back = behind_login_->Client().ExecuteAtomic(
      {client::Statement("SELECT set_config('ro' || 'le', 'none', true)"), client::Statement("SELECT body FROM docs")},
      As("app_user", "ann"));
  EXPECT_EQ(ReasonOf(back.status()), "INSUFFICIENT_PRIVILEGE") << back.status();
  // To somebody else's claims: only who writes the SQL can do that, and it shows.
  const auto forged = behind_login_->Client().ExecuteAtomic(
      {client::Statement("SELECT set_config('request.jwt.claims', '{\"sub\": \"bob\"}', true)"),
       client::Statement("SELECT body FROM docs")},
      As("app_user", "ann"));
  ASSERT_TRUE(forged.ok()) << forged.status();
  EXPECT_EQ(*(*forged)[1].Scalar<std::string>(), "of bob");
  EXPECT_EQ(*Run("SELECT body FROM docs", As("app_user", "ann"))->Scalar<std::string>(), "of ann");
}

TEST_F(IdentityTest, OnlyThoseMayWhoHaveThePermission) {
  testing_support::TempDir directory;
  // printf %s token | sha256sum
  const std::string callers = directory.Write(
      "callers.json",
      R"({"callers": [{"name": "plain", "token_sha256": "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0", "permissions": ["sql"]}]})");
  const Gateway gateway(postgres_->Url("postgres", "login_only"), {"--callers_file=" + callers});
  client::Database::Options options;
  options.target = gateway.address();
  options.token = "token";
  const absl::StatusOr<client::Result> refused =
      client::Database::Open(options)->Execute(client::Statement("SELECT 1"), As("app_user", "ann"));
  EXPECT_EQ(Reason(refused), "STATEMENT_NOT_ALLOWED");
  EXPECT_EQ(FactsOf(refused.status()).metadata.at("permission"), "impersonate");
}

// Many readers on one connection, each with its own rows: whatever shares a flight has one identity.
TEST_F(IdentityTest, TwoNeverMeetInOneFlight) {
  const client::Database db = behind_login_->Client();
  for (const char* who : {"ann", "bob"}) ASSERT_TRUE(Run("SELECT body FROM docs", As("app_user", who)).ok());
  std::vector<std::future<std::pair<int, int>>> readers;
  for (int i = 0; i < 8; ++i) {
    readers.push_back(std::async(std::launch::async, [&db, i] {
      const std::string who = i % 2 == 0 ? "ann" : "bob";
      int wrong = 0, shared = 0;
      for (int k = 0; k < 200; ++k) {
        const absl::StatusOr<client::Result> docs =
            db.Execute(client::Statement("SELECT body FROM docs"), As("app_user", who));
        wrong += docs.ok() && docs->size() == 1 && *docs->Scalar<std::string>() == "of " + who ? 0 : 1;
        shared += docs.ok() && docs->info().source() == v1::CallInfo::CONSOLIDATED ? 1 : 0;
      }
      return std::make_pair(wrong, shared);
    }));
  }
  int wrong = 0, shared = 0;
  for (auto& reader : readers) {
    const auto [w, s] = reader.get();
    wrong += w;
    shared += s;
  }
  EXPECT_EQ(wrong, 0);
  // Otherwise nothing was shown; but where nothing may be shared, nothing is.
  const bool may_share = std::getenv("SLUICE_FLIGHT_STATEMENTS_MAX") == nullptr;
  EXPECT_EQ(shared > 0, may_share);
}

}  // namespace
}  // namespace sluice
