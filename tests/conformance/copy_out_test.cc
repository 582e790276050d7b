// CopyOut: a table, or what a query returns, as COPY writes it, in flat memory.

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/conformance/copying.h"

namespace sluice {
namespace {

using client::Table;

TEST_F(CopyTest, WhatCameOutGoesInAgain) {
  Direct().Run(
      "INSERT INTO events SELECT i, CASE WHEN i % 3 > 0 THEN E'a,\"b\"\\t\\\\\\n' || i END "
      "FROM generate_series(1, 5000) i");
  const std::string expected = Direct().Value("SELECT md5(string_agg(e::text, '' ORDER BY id)) FROM events e");
  for (const v1::CopyFormat::Kind kind : {v1::CopyFormat::TEXT, v1::CopyFormat::CSV, v1::CopyFormat::BINARY}) {
    v1::CopyFormat format;
    format.set_kind(kind);
    client::CopyReader reader = db().CopyOut(Table("public.events"), format);
    std::string all;
    for (std::string piece; reader.Read(&piece);) all += piece;
    ASSERT_TRUE(reader.status().ok()) << reader.status();
    EXPECT_EQ(reader.summary().row_count(), 5000);
    Direct().Run("TRUNCATE events");
    const absl::StatusOr<int64_t> rows = Load(db().CopyIn(Table("events"), format), all);
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_EQ(*rows, 5000);
    EXPECT_EQ(Direct().Value("SELECT md5(string_agg(e::text, '' ORDER BY id)) FROM events e"), expected);
  }
}

TEST_F(CopyTest, AQueryIsCopiedWithItsParameters) {
  const absl::StatusOr<std::string> all = ReadAll(db().CopyOut(
      client::Statement("SELECT i, $1 || i FROM generate_series(1, $2) i -- to the end", "it's ", 3), Csv()));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(*all, "1,it's 1\n2,it's 2\n3,it's 3\n");
  EXPECT_EQ(*ReadAll(db().CopyOut(client::Statement("INSERT INTO events VALUES (7, 'x') RETURNING id; -- done"))),
            "7\n");
  EXPECT_EQ(Rows(), "7=x");
}

TEST_F(CopyTest, AQueryCanNotLeaveItsParenthesis) {
  for (const char* sql :
       {"SELECT 1) TO PROGRAM 'true' WITH (FORMAT text", "SELECT 1) TO '/tmp/x' --", "SELECT ')', (1))"}) {
    EXPECT_EQ(Reason(ReadAll(db().CopyOut(client::Statement(sql)))), "SYNTAX_ERROR") << sql;
  }
  EXPECT_EQ(Reason(ReadAll(db().CopyOut(client::Statement("SELECT 1; SELECT 2")))), "MULTIPLE_STATEMENTS");
  for (const char* sql : {"SHOW jit", "EXPLAIN SELECT 1", "CREATE TABLE x ()", "VACUUM"}) {
    EXPECT_EQ(Reason(ReadAll(db().CopyOut(client::Statement(sql)))), "STATEMENT_NOT_SUPPORTED") << sql;
  }
  // Of no rows: PostgreSQL knows.
  EXPECT_EQ(Reason(ReadAll(db().CopyOut(client::Statement("UPDATE events SET id = 1")))), "FEATURE_NOT_SUPPORTED");
}

TEST_F(CopyTest, AnErrorOfAQueryHasItsPlace) {
  const absl::StatusOr<std::string> all = ReadAll(db().CopyOut(client::Statement("SELECT $1::int, nothing", 12345)));
  EXPECT_EQ(Reason(all), "UNDEFINED_COLUMN");
  EXPECT_EQ(FactsOf(all.status()).metadata["position"], "17");
}

TEST_F(CopyTest, AnErrorInTheMiddleMakesTheCopyAFailure) {
  client::CopyReader reader =
      db().CopyOut(client::Statement("SELECT 1 / (100000 - i), repeat('x', 100) FROM generate_series(1, 200000) i"));
  std::string piece;
  int64_t bytes = 0;
  while (reader.Read(&piece)) bytes += static_cast<int64_t>(piece.size());
  EXPECT_GT(bytes, 5000000);
  EXPECT_EQ(ReasonOf(reader.status()), "DIVISION_BY_ZERO");
}

TEST_F(CopyTest, AReaderThatStopsMakesPostgresWait) {
  const client::Statement endless("SELECT generate_series(1, 1000000000) AS i, repeat('x', 1000)");
  const auto backends = [this](const std::string& condition) {
    return Direct().Value(
        absl::StrCat("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> "
                     "pg_backend_pid() AND query LIKE '%1000000000) AS i%' AND ",
                     condition));
  };
  {
    client::CopyReader reader = db().CopyOut(endless);
    std::string piece;
    ASSERT_TRUE(reader.Read(&piece));
    EXPECT_TRUE(testing_support::Eventually([&] { return backends("wait_event = 'ClientWrite'") == "1"; }));
  }
  EXPECT_TRUE(testing_support::Eventually([&] { return backends("true") == "0"; }));
}

TEST_F(CopyTest, ARowLargerThanAMessageIsCut) {
  const absl::StatusOr<std::string> all = ReadAll(db().CopyOut(client::Statement("SELECT repeat('x', 10000000)")));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 10000001);
  EXPECT_EQ(Reason(ReadAll(db().CopyOut(client::Statement("SELECT repeat('x', 100000000)")))), "RESPONSE_TOO_LARGE");
}

TEST_F(CopyTest, ACopyRunsAsItsIdentity) {
  Direct().Run(
      "DO $$ BEGIN CREATE ROLE copy_reader; EXCEPTION WHEN duplicate_object THEN NULL; END $$; "
      "GRANT SELECT ON events TO copy_reader; INSERT INTO events VALUES (1, 'mine'), (2, 'theirs'); "
      "ALTER TABLE events ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON events TO copy_reader "
      "USING (name = current_setting('request.jwt.claims')::json->>'sub')");
  client::CallOptions as_reader = client::Database::StreamOptions();
  as_reader.identity.emplace();
  as_reader.identity->set_role("copy_reader");
  as_reader.identity->set_claims_json(R"({"sub": "mine"})");
  EXPECT_EQ(*ReadAll(db().CopyOut(Table("events"), Csv(), as_reader)), "1,mine\n");
  EXPECT_EQ(Reason(Load(db().CopyIn(Table("events"), Csv(), as_reader), "3,x\n")), "INSUFFICIENT_PRIVILEGE");
}

TEST_F(CopyTest, ReadOnlyCopiesDoNotWrite) {
  client::CallOptions read_only = client::Database::StreamOptions();
  read_only.read_only = true;
  EXPECT_EQ(Reason(Load(db().CopyIn(Table("events"), Csv(), read_only), "1,a\n")), "READ_ONLY");
  EXPECT_EQ(
      Reason(ReadAll(db().CopyOut(client::Statement("INSERT INTO events VALUES (1) RETURNING id"), Csv(), read_only))),
      "READ_ONLY");
  EXPECT_EQ(*ReadAll(db().CopyOut(Table("events"), Csv(), read_only)), "");
}

}  // namespace
}  // namespace sluice
