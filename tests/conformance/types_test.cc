// Every built-in type of PostgreSQL comes back typed, exact, or in its own text.

#include <limits>

#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

class TypesTest : public ConformanceTest {
 protected:
  struct Cell {
    std::string kind;
    std::string type_name;
    std::string value;
  };

  // The one value that an expression gives.
  Cell Of(const std::string& expression) {
    absl::StatusOr<client::Result> result = db().Execute("SELECT " + expression);
    EXPECT_TRUE(result.ok()) << expression << ": " << result.status();
    if (!result.ok()) return {};
    const v1::ResultSet& set = result->proto();
    const v1::ColumnData& data = set.rows().columns(0);
    Cell cell;
    cell.kind = v1::ColumnKind_Name(set.columns(0).kind()).substr(std::string("COLUMN_KIND_").size());
    cell.type_name = set.columns(0).type_name();
    if (data.nulls_size() > 0 && data.nulls(0)) {
      cell.value = "NULL";
    } else if (data.texts_size() > 0) {
      cell.value = data.texts(0);
    } else if (data.int64s_size() > 0) {
      cell.value = absl::StrCat(data.int64s(0));
    } else if (data.int32s_size() > 0) {
      cell.value = absl::StrCat(data.int32s(0));
    } else if (data.doubles_size() > 0) {
      cell.value = absl::StrCat(data.doubles(0));
    } else if (data.bools_size() > 0) {
      cell.value = data.bools(0) ? "true" : "false";
    } else if (data.blobs_size() > 0) {
      cell.value = data.blobs(0);
    }
    return cell;
  }
};

struct Example {
  const char* expression;
  const char* kind;
  const char* type_name;
  const char* value;
};

constexpr Example kExamples[] = {
    {"true", "BOOL", "boolean", "true"},
    {"'-32768'::int2", "INT32", "smallint", "-32768"},
    {"'-2147483648'::int4", "INT32", "integer", "-2147483648"},
    {"'9223372036854775807'::int8", "INT64", "bigint", "9223372036854775807"},
    {"4294967295::oid", "INT64", "oid", "4294967295"},
    {"'1.5'::float4", "DOUBLE", "real", "1.5"},
    {"'NaN'::float8", "DOUBLE", "double precision", "nan"},
    {"'-Infinity'::float8", "DOUBLE", "double precision", "-inf"},
    {"12345678901234567890.0100::numeric(30,4)", "NUMERIC", "numeric(30,4)", "12345678901234567890.0100"},
    {"'NaN'::numeric", "NUMERIC", "numeric", "NaN"},
    {"'-Infinity'::numeric", "NUMERIC", "numeric", "-Infinity"},
    {"'äöü'::text", "TEXT", "text", "äöü"},
    {"'ab'::varchar(5)", "TEXT", "character varying(5)", "ab"},
    {"'ab'::char(4)", "TEXT", "character(4)", "ab  "},
    {"'ab'::name", "TEXT", "name", "ab"},
    {"'a'::\"char\"", "TEXT", "\"char\"", "a"},
    {"'\\x0041ff'::bytea", "BYTES", "bytea", nullptr},
    {"'1970-01-01 00:00:01.5+00'::timestamptz", "TIMESTAMPTZ", "timestamp with time zone", "1500000"},
    {"'1970-01-01 00:00:01'::timestamp(0)", "TIMESTAMP", "timestamp(0) without time zone", "1000000"},
    {"'infinity'::timestamptz", "TIMESTAMPTZ", "timestamp with time zone", "9223372036854775807"},
    {"'-infinity'::timestamp", "TIMESTAMP", "timestamp without time zone", "-9223372036854775808"},
    {"'0044-03-15 12:00:00+00 BC'::timestamptz", "TIMESTAMPTZ", "timestamp with time zone", "-63517780800000000"},
    {"'294276-12-31 23:59:59'::timestamp", "OTHER", "timestamp without time zone", "294276-12-31 23:59:59"},
    {"'2026-08-22'::date", "DATE", "date", "2026-08-22"},
    {"'0044-03-15 BC'::date", "DATE", "date", "0044-03-15 BC"},
    {"'infinity'::date", "DATE", "date", "infinity"},
    {"'13:05:01.25'::time", "TIME", "time without time zone", "13:05:01.25"},
    {"'13:05:01+02'::timetz", "TIME", "time with time zone", "13:05:01+02"},
    {"'1 year 2 mons -3 days 04:05:06.5'::interval", "INTERVAL", "interval", "P1Y2M-3DT4H5M6.5S"},
    {"'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'::uuid", "UUID", "uuid", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
    {"'{\"b\": 1,\"a\":[]}'::json", "JSON", "json", "{\"b\": 1,\"a\":[]}"},
    {"'{\"b\": 1,\"a\":[]}'::jsonb", "JSON", "jsonb", "{\"a\": [], \"b\": 1}"},
    {"ARRAY[1,NULL,3]", "ARRAY", "integer[]", "[1,null,3]"},
    {"ARRAY[9223372036854775807]", "ARRAY", "bigint[]", "[\"9223372036854775807\"]"},
    {"ARRAY[[true],[false]]", "ARRAY", "boolean[]", "[[true],[false]]"},
    {"'{1.5,NaN}'::float8[]", "ARRAY", "double precision[]", "[1.5,\"NaN\"]"},
    {"ARRAY['a\"b', 'NULL', NULL]", "ARRAY", "text[]", "[\"a\\\"b\",\"NULL\",null]"},
    {"'{}'::text[]", "ARRAY", "text[]", "[]"},
    {"'[0:1]={7,8}'::int4[]", "ARRAY", "integer[]", "[7,8]"},
    {"ARRAY['f81d4fae-7dec-11d0-a765-00a0c91e6bf6']::uuid[]", "ARRAY", "uuid[]",
     "[\"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"]"},
    {"ARRAY[1.50, 'NaN']::numeric[]", "ARRAY", "numeric[]", "[\"1.50\",\"NaN\"]"},
    {"ARRAY['2026-08-22', NULL]::date[]", "ARRAY", "date[]", "[\"2026-08-22\",null]"},
    {"ARRAY['2026-08-22 13:05:01+00']::timestamptz[]", "ARRAY", "timestamp with time zone[]",
     "[\"2026-08-22 13:05:01+00\"]"},
    {"ARRAY['\\x0041']::bytea[]", "ARRAY", "bytea[]", "[\"\\\\x0041\"]"},
    {"ARRAY['{\"a\": 1}']::jsonb[]", "ARRAY", "jsonb[]", "[\"{\\\"a\\\": 1}\"]"},
    {"ARRAY['[1,2)']::int4range[]", "ARRAY", "int4range[]", "[\"[1,2)\"]"},
    {"'{(2,2),(1,1);(1,1),(0,0)}'::box[]", "ARRAY", "box[]", "[\"(2,2),(1,1)\",\"(1,1),(0,0)\"]"},
    {"'[1,10)'::int4range", "OTHER", "int4range", "[1,10)"},
    {"'{[1,3),[5,7)}'::int4multirange", "OTHER", "int4multirange", "{[1,3),[5,7)}"},
    {"ROW(1,'a b')", "OTHER", "record", "(1,\"a b\")"},
    {"'(1,2)'::point", "OTHER", "point", "(1,2)"},
    {"'10.0.0.1/8'::inet", "OTHER", "inet", "10.0.0.1/8"},
    {"'08:00:2b:01:02:03'::macaddr", "OTHER", "macaddr", "08:00:2b:01:02:03"},
    {"B'101'::bit(3)", "OTHER", "bit(3)", "101"},
    {"'a & b'::tsquery", "OTHER", "tsquery", "'a' & 'b'"},
    {"'12.34'::money", "OTHER", "money", "$12.34"},
    {"'<a/>'::xml", "OTHER", "xml", "<a/>"},
    {"'pg_class'::regclass", "OTHER", "regclass", "pg_class"},
    {"'a:1 b:2A'::tsvector", "OTHER", "tsvector", "'a':1 'b':2A"},
    {"'$.a[*]'::jsonpath", "OTHER", "jsonpath", "$.\"a\"[*]"},
    {"'18446744073709551615'::xid8", "OTHER", "xid8", "18446744073709551615"},
    {"'0/16B3748'::pg_lsn", "OTHER", "pg_lsn", "0/16B3748"},
    {"NULL::int4", "INT32", "integer", "NULL"},
    {"NULL", "TEXT", "text", "NULL"},
};

TEST_F(TypesTest, EveryBuiltInType) {
  for (const Example& example : kExamples) {
    SCOPED_TRACE(example.expression);
    const Cell cell = Of(example.expression);
    EXPECT_EQ(cell.kind, example.kind);
    EXPECT_EQ(cell.type_name, example.type_name);
    EXPECT_EQ(cell.value, example.value == nullptr ? std::string("\0A\xff", 3) : example.value);
  }
}

// Each type that PostgreSQL itself has is in the gateway's own table (no second round trip to look
// it up), under the name that PostgreSQL has for it; and each with an array, as well.
TEST_F(TypesTest, TypeNamesAreThoseOfFormatType) {
  const auto types = Direct().Execute(
      "SELECT quote_ident(typname), format_type(oid, -1) FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace "
      "AND typtype IN ('b', 'r', 'm') AND oid < 10000 AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = "
      "pg_type.typelem AND e.typtype = 'c') AND typname NOT IN ('pg_node_tree', "
      "'_record', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'pg_brin_bloom_summary', "
      "'pg_brin_minmax_multi_summary')");
  ASSERT_TRUE(types.error.empty()) << types.error;
  for (const auto& row : types.rows) {
    SCOPED_TRACE(*row[0]);
    absl::StatusOr<client::Result> result = db().Execute(absl::StrCat("SELECT NULL::pg_catalog.", *row[0]));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->info().round_trips(), 1);
    EXPECT_EQ(result->proto().columns(0).type_name(), *row[1]);
  }
  EXPECT_GT(types.rows.size(), 150u);
}

TEST_F(TypesTest, TypesOfTheDatabase) {
  testing_support::Direct direct = Direct();
  direct.Run(
      "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('sad', 'ok');"
      "CREATE DOMAIN app.positive AS int8 CHECK (VALUE > 0); CREATE TYPE app.pair AS (a int, b text);"
      "CREATE TYPE app.span AS RANGE (subtype = int8)");
  EXPECT_EQ(Of("'ok'::app.mood").kind, "TEXT");
  EXPECT_EQ(Of("'ok'::app.mood").type_name, "app.mood");
  EXPECT_EQ(Of("ARRAY['ok', 'sad']::app.mood[]").value, "[\"ok\",\"sad\"]");
  EXPECT_EQ(Of("ARRAY['ok', 'sad']::app.mood[]").type_name, "app.mood[]");
  EXPECT_EQ(Of("7::app.positive").kind, "INT64");
  EXPECT_EQ(Of("ARRAY[7]::app.positive[]").value, "[\"7\"]");
  EXPECT_EQ(Of("ROW(1, 'x')::app.pair").value, "(1,x)");
  EXPECT_EQ(Of("ROW(1, 'x')::app.pair").type_name, "app.pair");
  EXPECT_EQ(Of("'[1,5)'::app.span").value, "[1,5)");
  EXPECT_EQ(*db().Execute("SELECT $1::app.mood = $2", "ok", client::As("ok", "app.mood"))->Scalar<bool>(), true);
}

TEST_F(TypesTest, NullsAreMarkedWhereTheyAre) {
  absl::StatusOr<client::Result> result = db().Execute("SELECT NULLIF(i, 2), i FROM generate_series(1, 3) i");
  ASSERT_TRUE(result.ok()) << result.status();
  const v1::RowBatch& rows = result->proto().rows();
  EXPECT_EQ(rows.columns(0).int32s_size(), 3);
  EXPECT_EQ(std::vector<bool>(rows.columns(0).nulls().begin(), rows.columns(0).nulls().end()),
            (std::vector<bool>{false, true, false}));
  EXPECT_EQ(rows.columns(1).nulls_size(), 0);
}

TEST_F(TypesTest, ColumnsTellTheirOrigin) {
  Direct().Run("CREATE TABLE origin (a int, b text)");
  absl::StatusOr<client::Result> result = db().Execute("SELECT b, 1 AS one FROM origin");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(absl::StrCat(result->proto().columns(0).table_oid()), Direct().Value("SELECT 'origin'::regclass::oid"));
  EXPECT_EQ(result->proto().columns(0).table_column(), 2);
  EXPECT_EQ(result->proto().columns(1).table_oid(), 0u);
}

TEST_F(TypesTest, TimestampsAsTextOnRequest) {
  client::CallOptions options;
  options.result.set_timestamps_as_text(true);
  absl::StatusOr<client::Result> result = db().Execute(
      client::Statement(
          "SELECT '2026-08-22 13:05:01.25+02'::timestamptz, '2026-08-22 13:05:01'::timestamp, NULL::timestamp"),
      options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*(*result)[0].Get<std::string>(0), "2026-08-22T11:05:01.25Z");
  EXPECT_EQ(*(*result)[0].Get<std::string>(1), "2026-08-22T13:05:01");
  EXPECT_EQ(*(*result)[0].Get<std::optional<std::string>>(2), std::nullopt);
}

}  // namespace
}  // namespace sluice
