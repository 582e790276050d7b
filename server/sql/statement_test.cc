#include "server/sql/statement.h"

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "server/base/error.h"

namespace sluice::sql {
namespace {

std::string ReasonFor(absl::string_view text, bool has_parameters) {
  absl::StatusOr<Statement> statement = ParseStatement(text, has_parameters);
  return statement.ok() ? "ok" : ReasonOf(statement.status());
}

std::string ReasonFor(absl::string_view text) {
  return ReasonFor(text, absl::StrContains(text, '$') && !absl::StrContains(text, "$$"));
}

Statement Parsed(absl::string_view text, bool has_parameters = false) {
  absl::StatusOr<Statement> statement = ParseStatement(text, has_parameters);
  EXPECT_TRUE(statement.ok()) << text << ": " << statement.status();
  return statement.ok() ? *statement : Statement();
}

TEST(StatementTest, RefusesWhatIsNoSingleStatement) {
  EXPECT_EQ(ReasonFor(""), "EMPTY_STATEMENT");
  EXPECT_EQ(ReasonFor(" ; -- nothing\n;"), "EMPTY_STATEMENT");
  EXPECT_EQ(ReasonFor("SELECT 1; SELECT 2"), "MULTIPLE_STATEMENTS");
  EXPECT_EQ(ReasonFor("SELECT 1; -- done\n ;"), "ok");
  EXPECT_EQ(ReasonFor("SELECT ';', $$;$$, \";\" /* ; */"), "ok");
  EXPECT_EQ(ReasonFor("SELECT 'open"), "SYNTAX_ERROR");
  // In a batch PostgreSQL would take two of these for one statement.
  EXPECT_EQ(ReasonFor("CREATE RULE r AS ON INSERT TO a DO ALSO (DELETE FROM b"), "SYNTAX_ERROR");
  EXPECT_EQ(ReasonFor("DELETE FROM c)"), "SYNTAX_ERROR");
  EXPECT_EQ(ReasonFor("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1"), "SYNTAX_ERROR");
  EXPECT_EQ(ReasonFor(absl::string_view("SELECT\0 1", 9)), "INVALID_TEXT");
  EXPECT_EQ(ReasonFor("SELECT '\xff'"), "INVALID_TEXT");
}

TEST(StatementTest, PointsAtTheSecondStatementInCharacters) {
  absl::Status status = ParseStatement(u8"SELECT 'é'; DROP TABLE t", false).status();
  EXPECT_EQ(FactsOf(status).metadata["position"], "13");
}

TEST(StatementTest, ARoutineBodyWithSemicolonsIsOneStatement) {
  EXPECT_EQ(ReasonFor("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"), "ok");
  EXPECT_EQ(ReasonFor("CREATE OR REPLACE PROCEDURE f() BEGIN ATOMIC SELECT 1; END; DROP TABLE t"),
            "MULTIPLE_STATEMENTS");
  EXPECT_EQ(ReasonFor("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)"), "ok");
}

TEST(StatementTest, NoRoutineBodyHidesASecondStatement) {
  EXPECT_EQ(ReasonFor("CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'x'; DROP TABLE t"), "MULTIPLE_STATEMENTS");
  EXPECT_EQ(ReasonFor("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1 case; END; DROP TABLE t"), "SYNTAX_ERROR");
  EXPECT_EQ(ReasonFor("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1 AS end; DROP TABLE t; END"), "MULTIPLE_STATEMENTS");
}

TEST(StatementTest, RefusesTransactionControl) {
  for (const char* text : {"BEGIN",
                           "start transaction",
                           "COMMIT",
                           "END",
                           "/* x */ ROLLBACK",
                           "ABORT",
                           "SAVEPOINT a",
                           "RELEASE a",
                           "PREPARE TRANSACTION 'x'",
                           "SET TRANSACTION READ ONLY",
                           "SET ROLE postgres",
                           "SET LOCAL ROLE postgres",
                           "SET SESSION AUTHORIZATION x",
                           "SET LOCAL SESSION AUTHORIZATION x",
                           "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                           "SET LOCAL transaction_read_only = off",
                           "SET LOCAL \"transaction_read_only\" = off",
                           "SET LOCAL U&\"transaction\\005fread_only\" = off",
                           "SET LOCAL role = postgres",
                           "SET LOCAL session_authorization = postgres",
                           "SELECT set_config('role', 'postgres', true)",
                           "SELECT set_config(E'role', 'postgres', true)",
                           "SELECT set_config(N'role', 'postgres', true)",
                           "SELECT set_config($a$role$a$, 'postgres', true)",
                           "SELECT set_config($$role$$, 'postgres', true)"}) {
    EXPECT_EQ(ReasonFor(text), "TRANSACTION_CONTROL") << text;
  }
}

TEST(StatementTest, RefusesWhatOutlivesTheCall) {
  for (const char* text : {"SET work_mem = '1GB'",
                           "SET SESSION work_mem = 1",
                           "SET TIME ZONE 'UTC'",
                           "RESET ALL",
                           "RESET ROLE",
                           "LISTEN a",
                           "UNLISTEN *",
                           "PREPARE a AS SELECT 1",
                           "EXECUTE a",
                           "DEALLOCATE ALL",
                           "DISCARD ALL",
                           "LOAD 'x'",
                           "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
                           "CREATE TEMP TABLE t(a int)",
                           "CREATE TEMPORARY VIEW v AS SELECT 1",
                           "CREATE LOCAL TEMP SEQUENCE s",
                           "CREATE OR REPLACE TEMP VIEW v AS SELECT 1",
                           "CREATE TABLE pg_temp.t(a int)",
                           "SELECT 1 AS a INTO LOCAL TEMP t",
                           "SELECT 1 AS a INTO pg_temp.t",
                           "EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1",
                           "SELECT set_config('a', set_config('b', 'c', false), true)",
                           "SELECT U&\"set\\005fconfig\"('a', 'b', false)",
                           "SELECT U&\"set_config\"('a', 'b', false)",
                           "SELECT U&\"set!005fconfig\" UESCAPE '!' ('a', 'b', false)",
                           "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'x'",
                           "SELECT 1 AS a INTO TEMP t",
                           "SELECT pg_advisory_lock(1)",
                           "SELECT pg_catalog.pg_try_advisory_lock_shared(1)",
                           "SELECT \"pg_advisory_unlock\"(1)",
                           "SELECT set_config('a.b', 'c', false)",
                           "SELECT set_config(E'r\\157le', 'postgres', true)",
                           "SELECT set_config(U&'!0072ole' UESCAPE '!', 'postgres', true)",
                           "SELECT set_config('a.b', 'c', $1)",
                           "SELECT set_config('a', f(1, true), false)",
                           "SELECT set_config(is_local => false, setting_name => 'a', new_value => 'b')",
                           "SELECT set_config('a.b', 'c', is_local => NOT true)",
                           "SELECT set_config('a.b', 'c', is_local => $1 OR true)",
                           "SELECT set_config('datestyle', 'German', true)",
                           "SELECT set_config('Client_Encoding', 'SJIS', true)",
                           "INSERT INTO pg_temp.t VALUES (1)",
                           "ALTER TABLE t SET SCHEMA pg_temp",
                           "CREATE TABLE \"pg_temp_3\".t(a int)",
                           "CREATE TABLE U&\"pg\\005ftemp\".t(a int)",
                           "SET LOCAL search_path = 'pg_temp'",
                           "SET LOCAL SCHEMA 'pg_temp'",
                           "SET LOCAL search_path = E'pg\\137temp'",
                           "SET LOCAL search_path = U&'pg!005ftemp' UESCAPE '!'",
                           "UPDATE pg_settings SET setting = '77' WHERE name = 'work_mem'",
                           "update pg_catalog.\"pg_settings\" set setting = 'x'",
                           "SELECT set_limit(0.7)",
                           "SELECT set_config('search_path', 'pg_temp, public', true)",
                           "SET LOCAL seed = 0.5",
                           "SET LOCAL datestyle = 'German'",
                           "SET LOCAL client_encoding = 'SJIS'"}) {
    EXPECT_EQ(ReasonFor(text), "SESSION_STATE") << text;
  }
}

TEST(StatementTest, TakesWhatEndsWithTheTransaction) {
  for (const char* text :
       {"SET LOCAL work_mem = '1GB'", "SET CONSTRAINTS ALL DEFERRED", "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1",
        "CREATE TEMP TABLE t(a int) ON COMMIT DROP", "SELECT pg_advisory_xact_lock(1)",
        "SELECT set_config('a.b', $1, true)", "SELECT set_config('a.b', f(1, 2), is_local => true)",
        "SELECT set_config('request.jwt.claims', $1, is_local := TRUE)", "SELECT 'pg_temp', \"pg_temper\" FROM t",
        "SELECT set_config FROM t", "NOTIFY a, 'b'", "SELECT 'SET x = 1', 'pg_advisory_lock'", "COPY t FROM '/tmp/x'",
        "TRUNCATE t"}) {
    EXPECT_EQ(ReasonFor(text), "ok") << text;
  }
}

TEST(StatementTest, RefusesCopyThroughTheClient) {
  EXPECT_EQ(ReasonFor("COPY t FROM STDIN"), "STATEMENT_NOT_SUPPORTED");
  EXPECT_EQ(ReasonFor("COPY (SELECT 1) TO STDOUT"), "STATEMENT_NOT_SUPPORTED");
  EXPECT_EQ(ReasonFor("DECLARE c BINARY NO SCROLL CURSOR FOR SELECT 1"), "STATEMENT_NOT_SUPPORTED");
  EXPECT_EQ(ReasonFor("DECLARE c CURSOR FOR SELECT 1"), "ok");
}

TEST(StatementTest, KnowsWhatTakesParameters) {
  for (const char* text :
       {"SELECT $1", "(SELECT $1)", "with a as (select $1) select 1", "VALUES ($1)", "TABLE t LIMIT $1",
        "EXPLAIN SELECT $1", "MERGE INTO t USING s ON $1 WHEN MATCHED THEN DELETE", "CALL p($1)"}) {
    EXPECT_EQ(ReasonFor(text, true), "ok") << text;
    EXPECT_EQ(ReasonFor(text, false), "PARAMETER_COUNT") << text;
  }
  for (const char* text : {"CREATE VIEW v AS SELECT $1", "NOTIFY a, $1", "ALTER ROLE a PASSWORD $1", "SET x = $1"}) {
    EXPECT_EQ(ReasonFor(text, true), "PARAMETERS_NOT_ALLOWED") << text;
  }
  EXPECT_EQ(ReasonFor("CREATE FUNCTION f(int) RETURNS int LANGUAGE sql RETURN $1 + 1", false), "ok");
}

TEST(StatementTest, KnowsWhatCanNotShareATransaction) {
  for (const char* text : {"VACUUM", "CREATE DATABASE a", "CREATE UNIQUE INDEX CONCURRENTLY i ON t(a)",
                           "DROP INDEX CONCURRENTLY i", "ALTER SYSTEM SET a = 1", "DO $$ $$", "CALL p()",
                           "REINDEX TABLE CONCURRENTLY t", "ALTER TABLE t DETACH PARTITION p CONCURRENTLY"}) {
    EXPECT_FALSE(Parsed(text).may_share_transaction) << text;
  }
  for (const char* text : {"SELECT 1", "CREATE TABLE t(a int)", "CREATE INDEX i ON t(a)", "ANALYZE t"}) {
    EXPECT_TRUE(Parsed(text).may_share_transaction) << text;
  }
}

// Measured on PostgreSQL 15: each of these writes, or may, in a READ ONLY transaction.
TEST(StatementTest, KnowsWhatAReadOnlyTransactionDoesNotStop) {
  for (const char* text :
       {"EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", "EXPLAIN ANALYZE SELECT 1 AS a INTO t", "SELECT lo_create(0)",
        "SELECT pg_catalog.lo_unlink(1)", "SELECT query_to_xml('SELECT f()', true, true, '')",
        "SELECT * FROM crosstab('SELECT f()') AS c (a int)", "SELECT pg_file_write('a', 'b', true)",
        "COPY (SELECT 1) TO PROGRAM 'cat'", "COPY t TO '/tmp/t'", "NOTIFY a", "LOCK TABLE t", "ANALYZE t",
        "SELECT pg_terminate_backend(1)", "SELECT pg_stat_reset()", "SELECT pg_import_system_collations('a')",
        "SELECT ts_rewrite('a'::tsquery, 'SELECT f()')", "SELECT pg_create_logical_replication_slot('a', 'b')"}) {
    EXPECT_NE(Parsed(text).read_only_escape, "") << text;
  }
  for (const char* text : {"SELECT 1", "EXPLAIN SELECT 1", "EXPLAIN ANALYZE INSERT INTO t VALUES (1)", "SELECT f()",
                           "SELECT lo_get FROM t", "SELECT 'lo_create(0)'"}) {
    EXPECT_EQ(Parsed(text).read_only_escape, "") << text;
  }
}

TEST(StatementTest, TellsReadsFromTheRest) {
  for (const char* text :
       {"SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "VALUES (1)", "TABLE t", "SHOW jit", "EXPLAIN SELECT 1",
        "SELECT substring('x' FOR 3)", "SELECT count(*), max((a + 1)) FROM t",
        "SELECT x FROM (VALUES (1)) AS t(x) WHERE x IN (1, 2)",
        "WITH RECURSIVE t(n) AS (SELECT 1) SELECT n::numeric(10,2) FROM t",
        "SELECT count(*) FILTER (WHERE (a)) OVER (PARTITION BY b) FROM generate_series(1, 3) g(a, b)",
        "SELECT pg_catalog.lower('A')", "SELECT \"lower\"('A')"}) {
    EXPECT_TRUE(Parsed(text).looks_read_only) << text;
  }
  for (const char* text :
       {"INSERT INTO t VALUES (1)", "WITH a AS (DELETE FROM t RETURNING 1) SELECT * FROM a", "SELECT * INTO t FROM s",
        "SELECT * FROM t FOR UPDATE", "SELECT * FROM t FOR NO KEY UPDATE", "SELECT * FROM t FOR KEY SHARE",
        "SELECT nextval('s')", "SELECT pg_catalog.pg_notify('a', 'b')", "EXPLAIN ANALYZE SELECT 1",
        // A user's function may send mail, whatever it is called.
        "SELECT send_mail(1)", "SELECT my.lower('A')", "SELECT \"Lower\"('A')", "SELECT * FROM rows_of(1)",
        "SELECT 1 FROM t WHERE check_it (a)"}) {
    EXPECT_FALSE(Parsed(text).looks_read_only) << text;
  }
}

// Each of them looks like the column list of an alias or of a table, or like a construct, and calls.
TEST(StatementTest, NoCallIsHidden) {
  for (const char* text :
       {"SELECT DISTINCT ON (1) send_mail(a) FROM t", "SELECT 1 OPERATOR(pg_catalog.+) send_mail(1)",
        "SELECT filter(a) FROM t", "SELECT range(1, 5)", "SELECT 1, by(2)", "SELECT first(a) FROM t", "SELECT join(1)",
        "SELECT my.into(1)", "SELECT my.in(1)", "SELECT * FROM a JOIN b ON conflict(a.span, b.span)",
        "SELECT 1 FROM t WHERE NOT materialized(v)", "SELECT 1 ORDER BY join(1)", "SELECT 1 WHERE a LIKE join(1)",
        "SELECT current_query()", "SELECT DISTINCT ON (1) set_config('a.b', 'c', true)"}) {
    EXPECT_FALSE(Parsed(text).looks_read_only) << text;
  }
  for (const char* text : {"SELECT DISTINCT ON (1) lo_unlink(1)", "SELECT 1 OPERATOR(pg_catalog.+) lo_unlink(1)",
                           "SELECT * FROM (SELECT 1) lo_unlink(a)"}) {
    EXPECT_EQ(Parsed(text).read_only_escape, "lo_unlink") << text;
  }
  for (const char* text : {"INSERT INTO t SELECT DISTINCT ON (a) send_mail(a) FROM s",
                           "INSERT INTO t SELECT my.into(1)", "INSERT INTO t SELECT rows(a) FROM s"}) {
    EXPECT_FALSE(Parsed(text).is_plain_write) << text;
  }
  // What does not.
  for (const char* text :
       {"SELECT DISTINCT ON (a) b FROM t", "SELECT a FROM t JOIN (SELECT 1 AS b) s ON (a = b)",
        "SELECT 1 FROM t LEFT JOIN (SELECT 1) s(a) USING (a) GROUP BY (a) ORDER BY (a)",
        "WITH a AS NOT MATERIALIZED (SELECT 1) SELECT * FROM a",
        "WITH a AS MATERIALIZED (SELECT 1) SELECT * FROM a FETCH FIRST (1) ROWS ONLY", "EXPLAIN (COSTS off) SELECT 1",
        "SELECT a, count(*) FROM t GROUP BY GROUPING SETS ((a), ())"}) {
    EXPECT_TRUE(Parsed(text).looks_read_only) << text;
  }
  EXPECT_TRUE(Parsed("INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO NOTHING").is_plain_write);
}

TEST(StatementTest, KnowsWhatDrawsLots) {
  for (const char* text :
       {"SELECT gen_random_uuid()", "SELECT pg_catalog.random()", "SELECT * FROM t TABLESAMPLE system (1)"}) {
    EXPECT_TRUE(Parsed(text).draws_lots) << text;
  }
  for (const char* text : {"SELECT clock_timestamp()", "SELECT random FROM t", "SELECT 'random()'"}) {
    EXPECT_FALSE(Parsed(text).draws_lots) << text;
  }
}

TEST(StatementTest, TellsPlainWritesFromTheRest) {
  for (const char* text :
       {"INSERT INTO t VALUES (1)", "insert into s.t (a, b) values ($1, now())", "INSERT INTO \"T\"(a) SELECT 1",
        "INSERT INTO t AS x (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = excluded.a RETURNING (x.a)",
        "UPDATE t SET a = a + 1 WHERE id = $1", "DELETE FROM t WHERE id IN ($1, $2) RETURNING *",
        "MERGE INTO t USING s ON (t.a = s.a) WHEN MATCHED THEN DELETE"}) {
    EXPECT_TRUE(Parsed(text, true).is_plain_write) << text;
  }
  for (const char* text :
       {"SELECT $1", "WITH a AS (DELETE FROM t RETURNING $1) SELECT 1", "INSERT INTO t SELECT send_mail($1)",
        "INSERT INTO t VALUES (nextval('s'), $1)", "UPDATE t SET a = set_config('x.y', $1, true)",
        "INSERT INTO t(a) SELECT a FROM rows_of($1)", "INSERT INTO s.t SELECT f.g($1)", "CALL p($1)"}) {
    EXPECT_FALSE(Parsed(text, true).is_plain_write) << text;
  }
}

}  // namespace
}  // namespace sluice::sql
