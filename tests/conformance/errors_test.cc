// Every error says what it is, what became of the work, and what to do next.

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

class ErrorsTest : public ConformanceTest {
 protected:
  absl::Status Fail(const std::string& sql) {
    absl::StatusOr<client::Result> result = db().Execute(sql);
    EXPECT_FALSE(result.ok()) << sql;
    return result.status();
  }
};

TEST_F(ErrorsTest, CarryCodeReasonSqlStateAndOutcome) {
  Direct().Run(
      "CREATE TABLE users (id int PRIMARY KEY, mail text NOT NULL CONSTRAINT mail_at CHECK (mail LIKE '%@%'), "
      "parent int REFERENCES users)");
  ASSERT_TRUE(db().Execute("INSERT INTO users VALUES (1, 'a@b')").ok());
  const struct {
    const char* sql;
    absl::StatusCode code;
    const char* reason;
    const char* sqlstate;
  } cases[] = {
      {"INSERT INTO users VALUES (1, 'c@d')", absl::StatusCode::kAlreadyExists, "UNIQUE_VIOLATION", "23505"},
      {"INSERT INTO users VALUES (2, NULL)", absl::StatusCode::kInvalidArgument, "NOT_NULL_VIOLATION", "23502"},
      {"INSERT INTO users VALUES (2, 'x')", absl::StatusCode::kInvalidArgument, "CHECK_VIOLATION", "23514"},
      {"INSERT INTO users VALUES (2, 'x@y', 9)", absl::StatusCode::kFailedPrecondition, "FOREIGN_KEY_VIOLATION",
       "23503"},
      {"SELECT 1/0", absl::StatusCode::kInvalidArgument, "DIVISION_BY_ZERO", "22012"},
      {"SELECT 2147483647 + 1", absl::StatusCode::kOutOfRange, "NUMERIC_VALUE_OUT_OF_RANGE", "22003"},
      {"SELECT * FROM nowhere", absl::StatusCode::kNotFound, "UNDEFINED_TABLE", "42P01"},
      {"SELECT nothing FROM users", absl::StatusCode::kInvalidArgument, "UNDEFINED_COLUMN", "42703"},
      {"SELEC 1", absl::StatusCode::kInvalidArgument, "SYNTAX_ERROR", "42601"},
      {"CREATE TABLE users (id int)", absl::StatusCode::kAlreadyExists, "DUPLICATE_TABLE", "42P07"},
      {"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'GR005'; END $$", absl::StatusCode::kNotFound,
       "POSTGRES_ERROR", "GR005"},
  };
  for (const auto& expected : cases) {
    SCOPED_TRACE(expected.sql);
    const absl::Status status = Fail(expected.sql);
    EXPECT_EQ(status.code(), expected.code);
    const ErrorFacts facts = FactsOf(status);
    EXPECT_EQ(facts.reason, expected.reason);
    EXPECT_EQ(facts.metadata.at("sqlstate"), expected.sqlstate);
    ASSERT_TRUE(facts.postgres.has_value());
    EXPECT_EQ(facts.postgres->sqlstate(), expected.sqlstate);
    EXPECT_EQ(facts.postgres->outcome(), facts.outcome);
    EXPECT_FALSE(facts.retry_after.has_value());
    // A DO block may COMMIT before it fails.
    EXPECT_EQ(facts.outcome, absl::StartsWith(expected.sql, "DO") ? v1::OUTCOME_UNKNOWN : v1::OUTCOME_ROLLED_BACK);
  }
}

TEST_F(ErrorsTest, NameWhatTheyAreAbout) {
  Direct().Run("CREATE SCHEMA shop; CREATE TABLE shop.items (sku text CONSTRAINT sku_once UNIQUE)");
  ASSERT_TRUE(db().Execute("INSERT INTO shop.items VALUES ('a')").ok());
  const ErrorFacts facts = FactsOf(Fail("INSERT INTO shop.items VALUES ('a')"));
  EXPECT_EQ(facts.metadata.at("schema"), "shop");
  EXPECT_EQ(facts.metadata.at("table"), "items");
  EXPECT_EQ(facts.metadata.at("constraint"), "sku_once");
  EXPECT_EQ(facts.postgres->detail(), "Key (sku)=(a) already exists.");
}

TEST_F(ErrorsTest, PositionsAreThoseOfTheCallersText) {
  absl::StatusOr<client::Result> result = db().Execute(u8"SELECT 'é', $1::int, nothing", 5);
  EXPECT_EQ(FactsOf(result.status()).postgres->position(), 22);
  result = db().Execute("SELECT length($1), $2::int", "a long text, longer than its place", "no number");
  // Inside the value of $2: where the placeholder stands.
  EXPECT_EQ(FactsOf(result.status()).postgres->position(), 20);
}

TEST_F(ErrorsTest, StayUnderFourKilobytes) {
  const absl::Status status = Fail(
      "DO $$ BEGIN RAISE EXCEPTION '%', repeat('é', 100000) USING DETAIL = repeat('d', 100000), HINT = repeat('h', "
      "100000), TABLE = repeat('t', 100000); END $$");
  const ErrorFacts facts = FactsOf(status);
  EXPECT_EQ(facts.reason, "RAISE_EXCEPTION");
  EXPECT_LE(status.message().size(), 1024u);
  EXPECT_TRUE(absl::EndsWith(facts.postgres->detail(), "..."));
  EXPECT_LE(facts.postgres->ByteSizeLong(), 3000u);
}

TEST_F(ErrorsTest, ASerializationFailureIsTriedAgainByTheGateway) {
  Direct().Run(
      "CREATE TABLE tries (n int); INSERT INTO tries VALUES (0); CREATE SEQUENCE try;"
      "CREATE FUNCTION fail_at_first() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
      "  IF nextval('try') < 3 THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END IF;"
      "  UPDATE tries SET n = n + 1; RETURN 1; END $$");
  absl::StatusOr<client::Result> result = db().Execute("SELECT fail_at_first()");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->info().attempts(), 3);
  EXPECT_EQ(*db().Execute("SELECT n FROM tries")->Scalar<int32_t>(), 1);
}

TEST_F(ErrorsTest, AConflictThatLastsIsAbortedWithRetryInfo) {
  Direct().Run(
      "CREATE FUNCTION always_fail() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
      "  RAISE EXCEPTION 'conflict' USING ERRCODE = '40P01'; END $$");
  v1::CallOptions unused;
  client::Database::Options options;
  options.target = gateway_->address();
  options.retries_max = 0;
  const absl::Status status = client::Database::Open(options)->Execute("SELECT always_fail()").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  const ErrorFacts facts = FactsOf(status);
  EXPECT_EQ(facts.reason, "DEADLOCK_DETECTED");
  EXPECT_EQ(facts.outcome, v1::OUTCOME_ROLLED_BACK);
  EXPECT_TRUE(facts.retry_after.has_value());
}

TEST_F(ErrorsTest, AReplyThatIsTooLargeSaysSoAndWhatBecameOfTheWrite) {
  Direct().Run("CREATE TABLE blobs (b text)");
  const absl::Status read = Fail("SELECT repeat('x', 1000) FROM generate_series(1, 5000)");
  EXPECT_EQ(read.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(read), "RESPONSE_TOO_LARGE");
  EXPECT_EQ(FactsOf(read).metadata.at("limitBytes"), absl::StrCat(4 << 20));
  EXPECT_EQ(FactsOf(read).metadata.at("rowsSoFar"), "5000");

  const absl::Status write =
      Fail("INSERT INTO blobs SELECT repeat('x', 1000) FROM generate_series(1, 5000) RETURNING b");
  EXPECT_EQ(OutcomeOf(write), v1::OUTCOME_COMMITTED);
  EXPECT_EQ(*db().Execute("SELECT count(*) FROM blobs")->Scalar<int64_t>(), 5000);

  client::CallOptions options;
  options.result.set_max_rows(2);
  EXPECT_EQ(Reason(db().Execute(client::Statement("SELECT generate_series(1, 3)"), options)), "RESPONSE_TOO_LARGE");
  EXPECT_EQ(Reason(db().Execute(client::Statement("SELECT generate_series(1, 2)"), options)), "ok");
}

// What has come over TCP is counted once, however often the socket is looked at.
TEST_F(ErrorsTest, ALargeAnswerWithinTheLimitIsNotCutShortOverTcp) {
  testing_support::PostgresServer::Options tcp;
  tcp.tcp = true;
  const testing_support::PostgresServer postgres(tcp);
  const testing_support::Gateway gateway(
      absl::StrCat("postgresql://postgres@127.0.0.1:", postgres.port(), "/postgres"));
  const client::Database client = gateway.Client();
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 8; ++k) failures += client.Execute("SELECT repeat('x', 3700000)").ok() ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
}

// The answer is cancelled half way rather than taken into memory.
TEST_F(ErrorsTest, AHugeAnswerIsCutShort) {
  const absl::Status status = Fail("SELECT repeat('x', 1000000) FROM generate_series(1, 2000)");
  EXPECT_EQ(ReasonOf(status), "RESPONSE_TOO_LARGE");
  const std::string memory = testing_support::ReadFile(absl::StrCat("/proc/", gateway_->process().pid(), "/status"));
  const size_t at = memory.find("VmHWM:");
  ASSERT_NE(at, std::string::npos);
  EXPECT_LT(std::atoi(memory.c_str() + at + 6), 600 * 1024) << "kB at most";
}

// Whatever a statement has in it, programs get the reason.
TEST_F(ErrorsTest, NoWordIsTooLongForTheReason) {
  EXPECT_EQ(Reason(db().Execute("SET " + std::string(5000, 'a') + " = 1")), "SESSION_STATE");
  EXPECT_EQ(Reason(db().Execute(std::string(500000, 'a') + " $1", 1)), "PARAMETERS_NOT_ALLOWED");
}

TEST_F(ErrorsTest, AValueThatItsTypeDoesNotTakeIsNamedByItsParameter) {
  const ErrorFacts facts = FactsOf(db().Execute("SELECT $1::text, $2::int4", "fine", "not a number").status());
  EXPECT_EQ(facts.metadata.at("sqlstate"), "22P02");
  EXPECT_EQ(facts.metadata.at("parameterIndex"), "2");
  EXPECT_EQ(facts.metadata.at("position"), "18");
}

TEST_F(ErrorsTest, ManySmallRowsAreNotCountedForMoreThanTheyAre) {
  const testing_support::Gateway direct(postgres_->Url());
  const absl::StatusOr<client::Result> rows =
      direct.Client().Execute("SELECT i % 100 FROM generate_series(1, 1000000) i");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->size(), 1000000);
}

}  // namespace
}  // namespace sluice
