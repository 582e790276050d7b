// Execute runs one statement with typed parameters and gives typed rows.

#include <limits>

#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

class ExecuteTest : public ConformanceTest {};

TEST_F(ExecuteTest, GivesTypedRows) {
  absl::StatusOr<client::Result> result =
      db().Execute("SELECT * FROM (VALUES (1::int8, 'ann'), (2, NULL)) AS people(id, name) ORDER BY id");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->size(), 2);
  EXPECT_EQ(result->command(), "SELECT");
  EXPECT_EQ(*(*result)[0].Get<int64_t>("id"), 1);
  EXPECT_EQ(*(*result)[0].Get<std::string>("name"), "ann");
  EXPECT_EQ(*(*result)[1].Get<std::optional<std::string>>("name"), std::nullopt);
  EXPECT_EQ((*result)[1].Get<std::string>("name").status().code(), absl::StatusCode::kFailedPrecondition);

  auto people = result->As<int64_t, std::optional<std::string>>();
  ASSERT_TRUE(people.ok()) << people.status();
  int64_t ids = 0;
  for (const auto& [id, name] : *people) ids += id;
  EXPECT_EQ(ids, 3);
}

TEST_F(ExecuteTest, EveryKindOfParameterComesBackAsItWent) {
  const std::string bytes("\0\xff'\\", 4);
  absl::StatusOr<client::Result> result = db().Execute(
      "SELECT $1, $2, $3, $4, $5::text, $6, $7, $8, $9, $10::int8[], $11::text[]", true, 7,
      std::numeric_limits<int64_t>::min(), 0.1, "O'Re\\illy", client::Bytes{bytes},
      client::Numeric{"12345678901234567890.0100"}, absl::FromUnixMicros(1234567890123456),
      client::Json{"{\"a\": [1, null]}"}, std::vector<int64_t>{1, -2}, std::vector<std::string>{"a,b", "\"", "NULL"});
  ASSERT_TRUE(result.ok()) << result.status();
  const client::Row row = (*result)[0];
  EXPECT_EQ(*row.Get<bool>(0), true);
  EXPECT_EQ(*row.Get<int32_t>(1), 7);
  EXPECT_EQ(*row.Get<int64_t>(2), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(*row.Get<double>(3), 0.1);
  EXPECT_EQ(*row.Get<std::string>(4), "O'Re\\illy");
  EXPECT_EQ(*row.Get<std::string>(5), bytes);
  EXPECT_EQ(*row.Get<std::string>(6), "12345678901234567890.0100");
  EXPECT_EQ(*row.Get<absl::Time>(7), absl::FromUnixMicros(1234567890123456));
  EXPECT_EQ(*row.Get<std::string>(8), "{\"a\": [1, null]}");
  EXPECT_EQ(*row.Get<std::vector<int64_t>>(9), (std::vector<int64_t>{1, -2}));
  EXPECT_EQ(*row.Get<std::vector<std::string>>(10), (std::vector<std::string>{"a,b", "\"", "NULL"}));
}

TEST_F(ExecuteTest, DatesIntervalsAndNullsInArraysAreCppsOwn) {
  const absl::StatusOr<client::Result> result =
      db().Execute("SELECT $1, $2, $3, $4, $5, $6, $7", absl::CivilDay(2026, 8, 22), absl::CivilDay(-43, 3, 15),
                   absl::Minutes(-90) + absl::Milliseconds(1), uint64_t{1} << 63, absl::InfiniteFuture(),
                   std::vector<std::optional<int32_t>>{1, std::nullopt}, std::vector<client::Uuid>());
  ASSERT_TRUE(result.ok()) << result.status();
  const client::Row row = (*result)[0];
  EXPECT_EQ(*row.Get<absl::CivilDay>(0), absl::CivilDay(2026, 8, 22));
  EXPECT_EQ(*row.Get<absl::CivilDay>(1), absl::CivilDay(-43, 3, 15));
  EXPECT_EQ(*row.Get<absl::Duration>(2), absl::Minutes(-90) + absl::Milliseconds(1));
  EXPECT_EQ(*row.Get<std::string>(3), "9223372036854775808");
  EXPECT_EQ(*row.Get<absl::Time>(4), absl::InfiniteFuture());
  EXPECT_EQ(*row.Get<std::vector<std::optional<int32_t>>>(5), (std::vector<std::optional<int32_t>>{1, std::nullopt}));
  EXPECT_FALSE(row.Get<std::vector<int32_t>>(5).ok());
  EXPECT_EQ(result->proto().columns(6).type_name(), "uuid[]");
  EXPECT_EQ(db().Execute("SELECT '1 mon'::interval")->Scalar<absl::Duration>().status().code(),
            absl::StatusCode::kOutOfRange);
}

// An empty one as well, whose type no element tells; and one whose elements would be of two kinds.
TEST_F(ExecuteTest, AVectorOfAnyNumberOrTimeIsAnArray) {
  const auto type_of = [this](const auto& vector) {
    const absl::StatusOr<client::Result> result = db().Execute("SELECT pg_typeof($1)::text || $1::text", vector);
    return result.ok() ? *(*result)[0].Get<std::string>(0) : result.status().ToString();
  };
  EXPECT_EQ(type_of(std::vector<uint32_t>{4294967295}), "bigint[]{4294967295}");
  EXPECT_EQ(type_of(std::vector<uint64_t>{1, uint64_t{1} << 63}), "numeric[]{1,9223372036854775808}");
  EXPECT_EQ(type_of(std::vector<std::optional<uint64_t>>{std::nullopt, 1}), "numeric[]{NULL,1}");
  EXPECT_EQ(type_of(std::vector<float>{0.5F}), "double precision[]{0.5}");
  EXPECT_EQ(type_of(std::vector<int16_t>{-1}), "integer[]{-1}");
  EXPECT_EQ(type_of(std::vector<bool>{true}), "boolean[]{t}");
  EXPECT_EQ(type_of(std::vector<float>()), "double precision[]{}");
  EXPECT_EQ(type_of(std::vector<uint32_t>()), "bigint[]{}");
  const absl::Time now = absl::FromUnixMicros(1234567890123456);
  EXPECT_EQ(type_of(std::vector<absl::Time>{now, absl::InfiniteFuture(), absl::InfinitePast()}),
            "timestamp with time zone[]{\"2009-02-13 23:31:30.123456+00\",infinity,-infinity}");
}

TEST_F(ExecuteTest, ATimeOfAnyYearIsATimestamp) {
  for (const absl::CivilSecond civil : {absl::CivilSecond(-43, 3, 15, 12, 30, 1), absl::CivilSecond(1, 1, 1),
                                        absl::CivilSecond(9999, 12, 31, 23, 59, 59), absl::CivilSecond(12026, 1, 1)}) {
    const absl::Time time = absl::FromCivil(civil, absl::UTCTimeZone()) + absl::Microseconds(1);
    const absl::StatusOr<client::Result> result = db().Execute("SELECT $1", time);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(*(*result)[0].Get<absl::Time>(0), time) << civil;
  }
}

TEST_F(ExecuteTest, AWriteTellsHowManyRowsItChanged) {
  ASSERT_TRUE(db().Execute("CREATE TABLE written (id int PRIMARY KEY, n int)").ok());
  EXPECT_EQ(db().Execute("INSERT INTO written SELECT i, 0 FROM generate_series(1, $1) i", 5)->affected_rows(), 5);
  absl::StatusOr<client::Result> returning = db().Execute("UPDATE written SET n = id WHERE id <= $1 RETURNING n", 2);
  EXPECT_EQ(returning->affected_rows(), 2);
  EXPECT_EQ(returning->size(), 2);
  EXPECT_EQ(returning->command(), "UPDATE");
  EXPECT_EQ(db().Execute("DELETE FROM written")->affected_rows(), 5);
  ASSERT_TRUE(db().Execute("DROP TABLE written").ok());
}

TEST_F(ExecuteTest, IsOneRoundTrip) {
  EXPECT_EQ(db().Execute("SELECT $1", 1)->info().round_trips(), 1);
  EXPECT_EQ(db().Execute("SELECT 1")->info().attempts(), 1);
}

TEST_F(ExecuteTest, AnUnknownTypeCostsASecondRoundTripOnlyOnce) {
  ASSERT_TRUE(db().Execute("CREATE TYPE colour AS ENUM ('red', 'blue')").ok());
  EXPECT_EQ(db().Execute("SELECT 'red'::colour")->info().round_trips(), 2);
  EXPECT_EQ(db().Execute("SELECT 'blue'::colour")->info().round_trips(), 1);
}

TEST_F(ExecuteTest, StatementsThatCanNotShareATransactionRunToo) {
  ASSERT_TRUE(db().Execute("CREATE TABLE heavy (id int)").ok());
  for (const char* sql :
       {"VACUUM heavy", "CREATE INDEX CONCURRENTLY heavy_id ON heavy (id)", "DO $$ BEGIN COMMIT; END $$",
        "CREATE DATABASE other", "DROP DATABASE other", "REINDEX TABLE heavy"}) {
    absl::StatusOr<client::Result> result = db().Execute(sql);
    EXPECT_TRUE(result.ok()) << sql << ": " << result.status();
  }
  ASSERT_TRUE(db().Execute("CREATE PROCEDURE halfway(n int) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO heavy VALUES (n); "
                           "COMMIT; INSERT INTO heavy VALUES (n); END $$")
                  .ok());
  ASSERT_TRUE(db().Execute("CALL halfway($1)", 3).ok());
  EXPECT_EQ(*db().Execute("SELECT count(*) FROM heavy")->Scalar<int64_t>(), 2);
}

TEST_F(ExecuteTest, NoticesComeWithTheResult) {
  absl::StatusOr<client::Result> result =
      db().Execute("DO $$ BEGIN RAISE WARNING 'careful' USING HINT = 'slow down'; END $$");
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->proto().notices_size(), 1);
  EXPECT_EQ(result->proto().notices(0).severity(), "WARNING");
  EXPECT_EQ(result->proto().notices(0).message(), "careful");
  EXPECT_EQ(result->proto().notices(0).hint(), "slow down");
}

TEST_F(ExecuteTest, IsolationAndReadOnlyTravelWithTheCall) {
  client::CallOptions options;
  options.transaction.set_isolation(v1::TransactionOptions::SERIALIZABLE);
  options.transaction.set_deferrable(true);
  options.read_only = true;
  absl::StatusOr<client::Result> result = db().Execute(
      client::Statement("SELECT current_setting('transaction_isolation') || ' ' || "
                        "current_setting('transaction_read_only') || ' ' || current_setting('transaction_deferrable')"),
      options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*result->Scalar<std::string>(), "serializable on on");
  EXPECT_EQ(*db().Execute("SELECT current_setting('transaction_read_only')")->Scalar<std::string>(), "off");
}

TEST_F(ExecuteTest, AReadOnlyCallCanNotWrite) {
  ASSERT_TRUE(db().Execute("CREATE TABLE untouched (id int)").ok());
  client::CallOptions options;
  options.read_only = true;
  EXPECT_EQ(Reason(db().Execute(client::Statement("INSERT INTO untouched VALUES (1)"), options)), "READ_ONLY");
  EXPECT_EQ(Reason(db().Execute(client::Statement("VACUUM untouched"), options)), "ACTIVE_SQL_TRANSACTION");
  EXPECT_EQ(*db().Execute("SELECT count(*) FROM untouched")->Scalar<int64_t>(), 0);
}

TEST_F(ExecuteTest, PingTellsTheServersVersion) {
  absl::StatusOr<v1::PingResponse> ping = db().Ping();
  ASSERT_TRUE(ping.ok()) << ping.status();
  EXPECT_EQ(ping->server_version(), Direct().Value("SHOW server_version"));
  EXPECT_FALSE(ping->in_recovery());
  EXPECT_GT(ping->server_time().seconds(), 1700000000);
}

}  // namespace
}  // namespace sluice
