#include "server/codec/bind.h"

#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/error.h"

namespace sluice::codec {
namespace {

v1::Value Text(const std::string& text) {
  v1::Value value;
  value.set_text_value(text);
  return value;
}

v1::Value Int(int32_t number) {
  v1::Value value;
  value.set_int32_value(number);
  return value;
}

v1::Statement Of(const std::string& sql, const std::vector<v1::Value>& params) {
  v1::Statement statement;
  statement.set_sql(sql);
  for (const v1::Value& value : params) *statement.add_params() = value;
  return statement;
}

absl::StatusOr<BoundStatement> BindWith(const v1::Statement& statement, const BindLimits& limits = BindLimits()) {
  sql::StatementBook book;
  return Bind(statement, limits, &book);
}

// The bound text, or the reason why not.
std::string Bound(const std::string& sql, const std::vector<v1::Value>& params) {
  absl::StatusOr<BoundStatement> bound = BindWith(Of(sql, params));
  return bound.ok() ? bound->text : ReasonOf(bound.status());
}

TEST(BindTest, EveryValueBecomesAQuotedCastInParentheses) {
  EXPECT_EQ(Bound("SELECT -$1", {Int(-1)}), "SELECT -('-1'::pg_catalog.\"int4\")");
  EXPECT_EQ(Bound("SELECT $1", {Text("O'Reilly")}), "SELECT ('O''Reilly')");
  EXPECT_EQ(Bound("SELECT $1", {Text("a\\'b")}), "SELECT (E'a\\\\''b')");
}

TEST(BindTest, RendersEveryKind) {
  v1::Value value;
  const auto rendered = [&value] { return Bound("SELECT $1", {value}); };
  value.set_null_value(google::protobuf::NULL_VALUE);
  EXPECT_EQ(rendered(), "SELECT (NULL)");
  value.set_type_name("int8");
  EXPECT_EQ(rendered(), "SELECT (NULL::pg_catalog.\"int8\")");
  value.Clear();
  value.set_bool_value(true);
  EXPECT_EQ(rendered(), "SELECT ('t'::pg_catalog.\"bool\")");
  value.set_int64_value(std::numeric_limits<int64_t>::min());
  EXPECT_EQ(rendered(), "SELECT ('-9223372036854775808'::pg_catalog.\"int8\")");
  value.set_double_value(0.1);
  EXPECT_EQ(rendered(), "SELECT ('0.1'::pg_catalog.\"float8\")");
  value.set_double_value(-std::numeric_limits<double>::infinity());
  EXPECT_EQ(rendered(), "SELECT ('-Infinity'::pg_catalog.\"float8\")");
  value.set_double_value(-0.0);
  EXPECT_EQ(rendered(), "SELECT ('-0'::pg_catalog.\"float8\")");
  value.set_bytes_value(std::string("\0\xff'", 3));
  EXPECT_EQ(rendered(), "SELECT (E'\\\\x00ff27'::pg_catalog.\"bytea\")");
  value.set_numeric_value("-1.50e-7");
  EXPECT_EQ(rendered(), "SELECT ('-1.50e-7'::pg_catalog.\"numeric\")");
  value.mutable_timestamp_value()->set_seconds(-1);
  value.mutable_timestamp_value()->set_nanos(999999999);
  EXPECT_EQ(rendered(), "SELECT ('1969-12-31 23:59:59.999999+00'::pg_catalog.\"timestamptz\")");
  value.set_uuid_value("f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  EXPECT_EQ(rendered(), "SELECT ('f81d4fae-7dec-11d0-a765-00a0c91e6bf6'::pg_catalog.\"uuid\")");
  value.set_json_value("{\"a\": 1}");
  EXPECT_EQ(rendered(), "SELECT ('{\"a\": 1}'::pg_catalog.\"jsonb\")");
}

TEST(BindTest, RendersArraysAsOneString) {
  v1::Value value;
  v1::ArrayValue* array = value.mutable_array_value();
  *array->add_elements() = Text("a\"b\\c'");
  array->add_elements()->set_null_value(google::protobuf::NULL_VALUE);
  *array->add_elements() = Text("NULL");
  EXPECT_EQ(Bound("SELECT $1", {value}), "SELECT (E'{\"a\\\\\"b\\\\\\\\c''\",NULL,\"NULL\"}'::pg_catalog.\"_text\")");

  array->Clear();
  EXPECT_EQ(Bound("SELECT $1", {value}), "PARAMETER_INVALID");
  array->set_element_type("app.mood");
  EXPECT_EQ(Bound("SELECT $1", {value}), "SELECT ('{}'::\"app\".\"mood\"[])");

  array->Clear();
  *array->add_elements()->mutable_array_value()->add_elements() = Int(1);
  *array->add_elements()->mutable_array_value()->add_elements() = Int(2);
  EXPECT_EQ(Bound("SELECT $1", {value}), "SELECT ('{{\"1\"},{\"2\"}}'::pg_catalog.\"_int4\")");

  // A box has commas of its own.
  array->Clear();
  array->set_element_type("box");
  *array->add_elements() = Text("(1,1),(0,0)");
  *array->add_elements() = Text("(2,2),(1,1)");
  EXPECT_EQ(Bound("SELECT $1", {value}), "SELECT ('{\"(1,1),(0,0)\";\"(2,2),(1,1)\"}'::pg_catalog.\"_box\")");
}

TEST(BindTest, RefusesMisshapenArrays) {
  v1::Value value;
  v1::ArrayValue* array = value.mutable_array_value();
  *array->add_elements() = Int(1);
  *array->add_elements() = Text("x");
  EXPECT_EQ(Bound("SELECT $1", {value}), "PARAMETER_INVALID");
  array->mutable_elements(1)->mutable_array_value();
  EXPECT_EQ(Bound("SELECT $1", {value}), "PARAMETER_INVALID");
  array->mutable_elements()->SwapElements(0, 1);
  EXPECT_EQ(Bound("SELECT $1", {value}), "PARAMETER_INVALID");
  array->Clear();
  array->add_elements()->mutable_array_value()->add_elements()->set_int32_value(1);
  array->add_elements()->mutable_array_value();
  EXPECT_EQ(Bound("SELECT $1", {value}), "PARAMETER_INVALID");
  array->Clear();
  for (int i = 0; i < 100001; ++i) array->add_elements()->set_int32_value(i);
  EXPECT_EQ(Bound("SELECT $1", {value}), "REQUEST_TOO_LARGE");
}

TEST(BindTest, ATypeNameIsNeverSplicedAsText) {
  const auto with_type = [](const std::string& type) {
    v1::Value value = Text("x");
    value.set_type_name(type);
    return Bound("SELECT $1", {value});
  };
  EXPECT_EQ(with_type("Timestamp With Time Zone"), "SELECT ('x'::pg_catalog.\"timestamptz\")");
  EXPECT_EQ(with_type("char"), "SELECT ('x'::pg_catalog.\"bpchar\")");
  EXPECT_EQ(with_type("\"char\""), "SELECT ('x'::pg_catalog.\"char\")");
  EXPECT_EQ(with_type("int4[]"), "SELECT ('x'::pg_catalog.\"_int4\")");
  EXPECT_EQ(with_type("App.mood"), "SELECT ('x'::\"app\".\"mood\")");
  EXPECT_EQ(with_type("app.\"M\"\"d\""), "SELECT ('x'::\"app\".\"M\"\"d\")");
  for (const char* bad : {"mood", "int4)", "text); DROP TABLE t; --", "varchar(3)", "a.b.c", "a.", ".b", "\"", "\"\"",
                          "1", "app.mood; x", "int4[][]"}) {
    EXPECT_EQ(with_type(bad), "PARAMETER_INVALID") << bad;
  }
}

TEST(BindTest, RefusesWhatIsNoValue) {
  EXPECT_EQ(Bound("SELECT $1", {v1::Value()}), "PARAMETER_INVALID");
  EXPECT_EQ(Bound("SELECT $1", {Text(std::string("a\0b", 3))}), "PARAMETER_INVALID");
  EXPECT_EQ(Bound("SELECT $1", {Text("\xc0'")}), "PARAMETER_INVALID");
  v1::Value value;
  for (const char* bad : {"", "1e", "1.2.3", "0x1", "1 ", "infinity", "--1", ".", "1'"}) {
    value.set_numeric_value(bad);
    EXPECT_EQ(Bound("SELECT $1", {value}), "PARAMETER_INVALID") << bad;
  }
  value.set_uuid_value("{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}");
  EXPECT_EQ(Bound("SELECT $1", {value}), "PARAMETER_INVALID");
  value.mutable_timestamp_value()->set_seconds(253402300800);
  EXPECT_EQ(Bound("SELECT $1", {value}), "PARAMETER_INVALID");
}

TEST(BindTest, ParametersAndPlaceholdersMustMatch) {
  EXPECT_EQ(Bound("SELECT $2", {Int(1)}), "PARAMETER_COUNT");
  EXPECT_EQ(Bound("SELECT $0", {Int(1)}), "PARAMETER_COUNT");
  EXPECT_EQ(Bound("SELECT $4294967297", {Int(1)}), "PARAMETER_COUNT");
  EXPECT_EQ(Bound("SELECT '$1'", {Int(1)}), "PARAMETER_COUNT");
  EXPECT_EQ(Bound("SELECT $1", {}), "PARAMETER_COUNT");
}

TEST(BindTest, StatementsWhoseMeaningWouldChangeTakeNoParameters) {
  EXPECT_EQ(Bound("CREATE VIEW v AS SELECT $1", {Int(1)}), "PARAMETERS_NOT_ALLOWED");
  EXPECT_EQ(Bound("CREATE FUNCTION f(int) RETURNS int LANGUAGE sql RETURN $1 + 1", {}),
            "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql RETURN $1 + 1");
}

TEST(BindTest, LimitsHoldBeforeAnythingIsBuilt) {
  EXPECT_EQ(Bound("SELECT '" + std::string(1 << 20, 'x') + "'", {}), "REQUEST_TOO_LARGE");
  std::string many = "SELECT $1";
  for (int i = 0; i < 70; ++i) many += ",$1";
  EXPECT_EQ(Bound(many, {Text(std::string(1 << 20, 'x'))}), "REQUEST_TOO_LARGE");
  EXPECT_EQ(Bound("SELECT 1", std::vector<v1::Value>(65536, Int(1))), "REQUEST_TOO_LARGE");
}

TEST(BindTest, MapsPositionsBackToTheCallersText) {
  const std::string sql = u8"SELECT 'é', $1, nope, $2 FROM t";
  absl::StatusOr<BoundStatement> bound = BindWith(Of(sql, {Text("value"), Int(7)}));
  ASSERT_TRUE(bound.ok()) << bound.status();
  const auto position_of = [&](const char* word) {
    return static_cast<int>(bound->text.find(word));  // é is one character and two bytes, so byte == position
  };
  EXPECT_EQ(bound->CallerPosition(sql, 1), 1);
  EXPECT_EQ(bound->CallerPosition(sql, position_of("nope")), 17);
  EXPECT_EQ(bound->CallerPosition(sql, position_of("value")), 13);
  EXPECT_EQ(bound->CallerPosition(sql, position_of("FROM")), 26);
}

// The size is bounded before anything is allocated, by what the literals may need at most.
TEST(BindTest, TheLimitOfTheBoundTextHoldsToTheByte) {
  const v1::Statement statement = Of("SELECT $1 || $1", {Text("it's")});
  BindLimits limits;
  limits.bound_bytes_max = 1;
  const absl::Status refused = BindWith(statement, limits).status();
  ASSERT_EQ(ReasonOf(refused), "REQUEST_TOO_LARGE");
  limits.bound_bytes_max = std::stoul(FactsOf(refused).metadata.at("actual"));
  EXPECT_TRUE(BindWith(statement, limits).ok());
  --limits.bound_bytes_max;
  EXPECT_EQ(ReasonOf(BindWith(statement, limits).status()), "REQUEST_TOO_LARGE");
}

}  // namespace
}  // namespace sluice::codec
