// ExecuteStream: an answer of any size, in order, while PostgreSQL still makes it, in flat memory; and
// whatever ends it ends the statement and gives the connection back.

#include <grpcpp/create_channel.h>
#include <signal.h>

#include <future>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::Gateway;
using testing_support::StatusOfProcess;

// Rows without an end: made one by one, as the reader takes them.
constexpr char kEndless[] = "SELECT generate_series(1, 1000000000) AS i, repeat('x', 1000) AS pad, 'endless' AS mark";

class StreamTest : public ConformanceTest {
 protected:
  // Reads to the end.
  static int64_t Count(client::RowStream* rows) {
    int64_t count = 0;
    while (rows->Next()) ++count;
    return count;
  }

  // Backends that run the endless statement, but for those that wait for their reader.
  std::string Endless(const std::string& condition = "true") {
    return Direct().Value(
        absl::StrCat("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> "
                     "pg_backend_pid() AND query LIKE '%''endless'' AS mark%' AND ",
                     condition));
  }
  bool EndlessIsOver() {
    return Eventually([this] { return Endless() == "0"; });
  }
  bool EndlessWaitsForItsReader() {
    return Eventually([this] { return Endless("wait_event = 'ClientWrite'") == "1"; });
  }

  static client::Database WithoutRetries(const Gateway& gateway) {
    client::Database::Options options;
    options.target = gateway.address();
    options.retries_max = 0;
    return *client::Database::Open(options);
  }
};

TEST_F(StreamTest, EveryRowComesInOrder) {
  client::RowStream rows = db().Stream("SELECT i, 'row ' || i AS name FROM generate_series(1, $1) i", 100000);
  int32_t expected = 0;
  for (client::Row row : rows) {
    ASSERT_EQ(*row.Get<int32_t>("i"), ++expected);
    ASSERT_EQ(*row.Get<std::string>("name"), absl::StrCat("row ", expected));
  }
  EXPECT_TRUE(rows.status().ok()) << rows.status();
  EXPECT_EQ(expected, 100000);
  EXPECT_EQ(rows.summary().command(), "SELECT");
  EXPECT_EQ(rows.summary().row_count(), 100000);
  EXPECT_EQ(rows.summary().info().round_trips(), 1);
}

TEST_F(StreamTest, BatchesAreAboutAsLargeAsAskedFor) {
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway_->address(), grpc::InsecureChannelCredentials()));
  v1::ExecuteRequest request;
  request.mutable_statement()->set_sql("SELECT repeat('x', 100) FROM generate_series(1, 20000)");
  for (const int64_t wanted : {0, 10000}) {
    request.mutable_options()->mutable_result()->set_batch_bytes(static_cast<int32_t>(wanted));
    grpc::ClientContext context;
    const auto reader = stub->ExecuteStream(&context, request);
    v1::ExecuteStreamResponse message;
    int headers = 0, summaries = 0;
    int64_t rows = 0, largest = 0;
    while (reader->Read(&message)) {
      headers += message.has_header() ? 1 : 0;
      summaries += message.has_summary() ? 1 : 0;
      rows += message.rows().row_count();
      largest = std::max<int64_t>(largest, static_cast<int64_t>(message.ByteSizeLong()));
    }
    EXPECT_TRUE(reader->Finish().ok());
    EXPECT_EQ(headers, 1);
    EXPECT_EQ(summaries, 1);
    EXPECT_EQ(rows, 20000);
    EXPECT_LE(largest, wanted == 0 ? 280 << 10 : 11000);
    EXPECT_GT(largest, wanted == 0 ? 100 << 10 : 5000);
  }
}

// The same kinds, values and NULLs, of types that are built in and of one that was made just now.
TEST_F(StreamTest, RowsAreThoseOfExecute) {
  Direct().Run("DROP TYPE IF EXISTS stream_mood; CREATE TYPE stream_mood AS ENUM ('sad', 'glad')");
  const std::string sql =
      "SELECT i::int2 AS a, i::int8 AS b, i / 3.0 AS c, i::float8 AS d, i % 2 = 0 AS e, 't' || i AS f, "
      "'\\x00ff'::bytea AS g, '2026-08-22 13:05:01.25+00'::timestamptz AS h, ARRAY[i, NULL] AS j, "
      "'sad'::stream_mood AS k, CASE WHEN i % 2 = 0 THEN i END AS l, '{\"a\": 1}'::jsonb AS m, "
      "ARRAY['glad'::stream_mood] AS n, 'P1D'::interval AS o FROM generate_series(1, 3) i";
  client::RowStream rows = db().Stream(sql);
  ASSERT_TRUE(rows.Next()) << rows.status();
  const absl::StatusOr<client::Result> result = db().Execute(sql);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(rows.columns().size(), result->proto().columns_size());
  for (int i = 0; i < rows.columns().size(); ++i) {
    EXPECT_EQ(rows.columns()[i].DebugString(), result->proto().columns(i).DebugString());
  }
  int row = 0;
  do {
    for (const char* number : {"a", "b", "l"}) {
      EXPECT_EQ(*rows.current().Get<std::optional<int64_t>>(number),
                *(*result)[row].Get<std::optional<int64_t>>(number));
    }
    for (const char* text : {"c", "f", "j", "k", "m", "n", "o"}) {
      EXPECT_EQ(*rows.current().Get<std::string>(text), *(*result)[row].Get<std::string>(text));
    }
    ++row;
  } while (rows.Next());
  EXPECT_EQ(row, 3);
  EXPECT_TRUE(rows.status().ok()) << rows.status();
}

TEST_F(StreamTest, AnEmptyAnswerHasItsColumns) {
  client::RowStream rows = db().Stream("SELECT 1 AS one, 'x' AS two WHERE false");
  EXPECT_FALSE(rows.Next());
  EXPECT_TRUE(rows.status().ok()) << rows.status();
  ASSERT_EQ(rows.columns().size(), 2);
  EXPECT_EQ(rows.columns()[1].name(), "two");
  EXPECT_EQ(rows.summary().row_count(), 0);
}

TEST_F(StreamTest, AWriteReturnsItsRowsAndIsCommitted) {
  Direct().Run("DROP TABLE IF EXISTS streamed; CREATE TABLE streamed (n int)");
  client::RowStream rows = db().Stream("INSERT INTO streamed SELECT generate_series(1, 5000) RETURNING n");
  EXPECT_EQ(Count(&rows), 5000);
  EXPECT_TRUE(rows.status().ok()) << rows.status();
  EXPECT_EQ(rows.summary().command(), "INSERT");
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM streamed"), "5000");
  client::RowStream update = db().Stream("UPDATE streamed SET n = n + 1");
  EXPECT_FALSE(update.Next());
  EXPECT_EQ(update.columns().size(), 0);
  EXPECT_EQ(update.summary().row_count(), 5000);
}

// The third row waits for a lock that is free only when the first one has been read. (PostgreSQL sends in pieces of
// 8 KiB, so that the end of a row comes with the next one.)
TEST_F(StreamTest, TheFirstRowsDoNotWaitForTheLast) {
  testing_support::Direct holder(postgres_->ConnectionString());
  holder.Run("SELECT pg_advisory_lock(4711)");
  client::RowStream rows = db().Stream(
      "SELECT i, repeat('x', 20000), CASE WHEN i > 2 THEN pg_advisory_xact_lock(4711) END FROM generate_series(1, 3) "
      "i");
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(*rows.current().Get<int32_t>("i"), 1);
  holder.Run("SELECT pg_advisory_unlock(4711)");
  EXPECT_EQ(Count(&rows), 2);
  EXPECT_TRUE(rows.status().ok()) << rows.status();
}

TEST_F(StreamTest, WhileNobodyReadsPostgresWaitsAndMemoryStaysFlat) {
  [[maybe_unused]] const int64_t before = StatusOfProcess(gateway_->process().pid(), "VmRSS");
  client::RowStream rows = db().Stream(kEndless);
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_TRUE(EndlessWaitsForItsReader());
#ifndef __SANITIZE_ADDRESS__  // which keeps what is freed
  EXPECT_LT(StatusOfProcess(gateway_->process().pid(), "VmRSS") - before, 32 << 10);
#endif
  // It goes on where it was.
  int32_t last = *rows.current().Get<int32_t>("i");
  for (int i = 0; i < 50000 && rows.Next(); ++i) {
    const int32_t next = *rows.current().Get<int32_t>("i");
    ASSERT_EQ(next, last + 1);
    last = next;
  }
#ifndef __SANITIZE_ADDRESS__  // which keeps what is freed
  EXPECT_LT(StatusOfProcess(gateway_->process().pid(), "VmRSS") - before, 32 << 10);
#endif
  { const client::RowStream dropped = std::move(rows); }
  EXPECT_TRUE(EndlessIsOver());
}

TEST_F(StreamTest, AClientThatLeavesEndsItsStatement) {
  {
    client::RowStream rows = db().Stream(kEndless);
    ASSERT_TRUE(rows.Next()) << rows.status();
    ASSERT_EQ(Endless(), "1");
  }
  EXPECT_TRUE(EndlessIsOver());
}

TEST_F(StreamTest, AClientThatStallsIsCutOff) {
  Gateway gateway(pgbouncer_->Url(), {"--stream_stall_max=200ms"});
  client::RowStream rows = gateway.Client().Stream(kEndless);
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_TRUE(EndlessIsOver());
  EXPECT_TRUE(gateway.Logs("READER_STALLED")) << gateway.log();
  while (rows.Next()) {
  }
  EXPECT_FALSE(rows.status().ok());
  EXPECT_EQ(gateway.Drain(), 0);
}

TEST_F(StreamTest, AnErrorInTheMiddleEndsIt) {
  client::RowStream rows = db().Stream("SELECT 1000 / (50000 - i), repeat('x', 100) FROM generate_series(1, 60000) i");
  const int64_t before_it = Count(&rows);
  EXPECT_GT(before_it, 0);
  EXPECT_LT(before_it, 50000);
  EXPECT_EQ(ReasonOf(rows.status()), "DIVISION_BY_ZERO");
  EXPECT_EQ(OutcomeOf(rows.status()), v1::OUTCOME_ROLLED_BACK);
}

TEST_F(StreamTest, AnErrorBeforeTheFirstRowIsThatOfExecute) {
  for (const char* sql : {"SELEC 1", "SELECT nothing", "", "SELECT 1; SELECT 2", "BEGIN", "LISTEN a", "SELECT 1 / 0"}) {
    client::RowStream rows = db().Stream(sql);
    EXPECT_FALSE(rows.Next());
    const ErrorFacts streamed = FactsOf(rows.status()), executed = FactsOf(db().Execute(sql).status());
    EXPECT_EQ(streamed.message, executed.message);
    EXPECT_EQ(streamed.reason, executed.reason);
    EXPECT_EQ(streamed.outcome, executed.outcome);
    EXPECT_EQ(streamed.metadata, executed.metadata);
  }
  client::CallOptions read_only = client::Database::StreamOptions();
  read_only.read_only = true;
  client::RowStream write = db().Stream(client::Statement("CREATE TABLE never (n int)"), read_only);
  EXPECT_FALSE(write.Next());
  EXPECT_EQ(ReasonOf(write.status()), "READ_ONLY");
}

TEST_F(StreamTest, ItsDeadlineEndsIt) {
  // Long enough for the gateway to keep 100 ms of it back for its answer.
  client::CallOptions hasty;
  hasty.timeout = absl::Seconds(1);
  client::RowStream rows = db().Stream(client::Statement("SELECT pg_sleep(60)"), hasty);
  EXPECT_FALSE(rows.Next());
  EXPECT_EQ(ReasonOf(rows.status()), "DEADLINE_EXCEEDED");
  EXPECT_EQ(OutcomeOf(rows.status()), v1::OUTCOME_ROLLED_BACK);
  // Also of one whose rows come, and are read.
  client::RowStream endless = db().Stream(client::Statement(kEndless), hasty);
  EXPECT_GT(Count(&endless), 0);
  EXPECT_EQ(endless.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(EndlessIsOver());
}

TEST_F(StreamTest, LimitsOfRowsAndOfARowHold) {
  client::CallOptions few = client::Database::StreamOptions();
  few.result.set_max_rows(3);
  client::RowStream rows = db().Stream(client::Statement(kEndless), few);
  EXPECT_LE(Count(&rows), 3);
  EXPECT_EQ(ReasonOf(rows.status()), "RESPONSE_TOO_LARGE");
  EXPECT_EQ(FactsOf(rows.status()).metadata.at("limitRows"), "3");
  EXPECT_TRUE(EndlessIsOver());
  client::RowStream wide = db().Stream("SELECT repeat('x', 5000000)");
  EXPECT_EQ(Count(&wide), 0);
  EXPECT_EQ(ReasonOf(wide.status()), "RESPONSE_TOO_LARGE");
  client::RowStream wider = db().Stream("SELECT repeat('x', 100000000)");
  EXPECT_EQ(Count(&wider), 0);
  EXPECT_EQ(ReasonOf(wider.status()), "RESPONSE_TOO_LARGE");
}

// PostgreSQL gives the rows of a rule as the statement's; those of two are two answers.
TEST_F(StreamTest, RowsOfTwoRulesAreNotMixed) {
  Direct().Run(
      "DROP TABLE IF EXISTS ruled; CREATE TABLE ruled (n int); CREATE RULE one AS ON INSERT TO ruled DO ALSO SELECT "
      "41; "
      "CREATE RULE two AS ON INSERT TO ruled DO ALSO SELECT 42, 'x'");
  client::RowStream rows = db().Stream("INSERT INTO ruled VALUES (1)");
  Count(&rows);
  EXPECT_EQ(ReasonOf(rows.status()), "STATEMENT_NOT_SUPPORTED") << rows.status();
  EXPECT_EQ(Reason(db().Execute("INSERT INTO ruled VALUES (2)")), "ok");
}

TEST_F(StreamTest, StreamsLeaveAConnectionToShortCalls) {
  Gateway gateway(pgbouncer_->Url(), {"--pool_size=2"});
  const client::Database db = WithoutRetries(gateway);
  client::RowStream first = db.Stream(kEndless);
  ASSERT_TRUE(first.Next()) << first.status();
  client::CallOptions hasty;
  hasty.timeout = absl::Seconds(1);
  client::RowStream second = db.Stream(client::Statement("SELECT 1"), hasty);
  EXPECT_FALSE(second.Next());
  EXPECT_EQ(ReasonOf(second.status()), "QUEUE_TIMEOUT");
  EXPECT_EQ(Reason(db.Execute("SELECT 1")), "ok");
  // The next one has its place when it ends.
  { const client::RowStream dropped = std::move(first); }
  client::RowStream third = db.Stream("SELECT 1");
  EXPECT_TRUE(third.Next()) << third.status();
  // Not killed: PgBouncer 1.18 goes down with a connection that brings a cancel and breaks off.
  EXPECT_EQ(gateway.Drain(), 0);
}

TEST_F(StreamTest, TheOnlyConnectionIsNotGivenAway) {
  const Gateway gateway(pgbouncer_->Url(), {"--pool_size=1"});
  client::RowStream rows = gateway.Client().Stream("SELECT 1");
  EXPECT_FALSE(rows.Next());
  EXPECT_EQ(ReasonOf(rows.status()), "HELD_CALLS_OFF");
  EXPECT_EQ(Reason(gateway.Client().Execute("SELECT 1")), "ok");
}

TEST_F(StreamTest, ADrainEndsIt) {
  Gateway gateway(pgbouncer_->Url(), {"--drain_delay=0s", "--drain_grace=100ms"});
  client::RowStream rows = WithoutRetries(gateway).Stream(kEndless);
  ASSERT_TRUE(rows.Next()) << rows.status();
  auto drained = std::async(std::launch::async, [&gateway] { return gateway.Drain(); });
  while (rows.Next()) {
  }
  EXPECT_EQ(ReasonOf(rows.status()), "DRAINING") << rows.status();
  EXPECT_EQ(drained.get(), 0);
  EXPECT_TRUE(EndlessIsOver());
}

// One that nobody reads, too.
TEST_F(StreamTest, ADrainDoesNotWaitForAReaderThatStalls) {
  Gateway gateway(pgbouncer_->Url(), {"--drain_delay=0s", "--drain_grace=100ms"});
  client::RowStream rows = WithoutRetries(gateway).Stream(kEndless);
  ASSERT_TRUE(rows.Next()) << rows.status();
  ASSERT_TRUE(EndlessWaitsForItsReader());
  EXPECT_EQ(gateway.Drain(), 0);
  EXPECT_TRUE(EndlessIsOver());
}

TEST_F(StreamTest, AConnectionThatBreaksInTheMiddleEndsIt) {
  client::RowStream rows = db().Stream(kEndless);
  ASSERT_TRUE(rows.Next()) << rows.status();
  Direct().Run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%''endless'' AS mark%' AND pid <> "
      "pg_backend_pid()");
  while (rows.Next()) {
  }
  EXPECT_EQ(OutcomeOf(rows.status()), v1::OUTCOME_UNKNOWN) << rows.status();
  EXPECT_EQ(Reason(db().Execute("SELECT 1")), "ok");
}

TEST_F(StreamTest, RunsAsItsIdentity) {
  Direct().Run("DROP ROLE IF EXISTS stream_reader; CREATE ROLE stream_reader");
  client::CallOptions options = client::Database::StreamOptions();
  options.identity.emplace().set_role("stream_reader");
  options.identity->set_claims_json(R"({"sub": "7"})");
  client::RowStream rows = db().Stream(
      client::Statement("SELECT current_user::text AS who, current_setting('request.jwt.claims') AS claims"), options);
  ASSERT_TRUE(rows.Next()) << rows.status();
  EXPECT_EQ(*rows.current().Get<std::string>("who"), "stream_reader");
  EXPECT_EQ(*rows.current().Get<std::string>("claims"), R"({"sub": "7"})");
  EXPECT_FALSE(rows.Next());
}

}  // namespace
}  // namespace sluice
