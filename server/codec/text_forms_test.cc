#include <limits>
#include <string>

#include "gtest/gtest.h"
#include "server/codec/array_json.h"
#include "server/codec/column_type.h"
#include "server/codec/time_text.h"

namespace sluice::codec {
namespace {

std::string Json(absl::string_view array, ElementForm elements = ElementForm::kString, char delimiter = ',') {
  std::string json;
  return AppendArrayAsJson(array, elements, delimiter, &json) ? json : "no array";
}

TEST(ArrayJsonTest, ReadsEveryForm) {
  EXPECT_EQ(Json("{}"), "[]");
  EXPECT_EQ(Json("{1,-2,NULL}", ElementForm::kNumber), "[1,-2,null]");
  EXPECT_EQ(Json("{1.5,NaN,-Infinity,1e+22}", ElementForm::kNumber), "[1.5,\"NaN\",\"-Infinity\",1e+22]");
  EXPECT_EQ(Json("{t,f}", ElementForm::kBool), "[true,false]");
  EXPECT_EQ(Json("{a,\"b,c\",\"\",\"NULL\",NULL}"), "[\"a\",\"b,c\",\"\",\"NULL\",null]");
  EXPECT_EQ(Json("{\"q\\\"b\\\\\",\"x\ny\"}"), "[\"q\\\"b\\\\\",\"x\\u000ay\"]");
  EXPECT_EQ(Json("{{1,2},{3,4}}", ElementForm::kNumber), "[[1,2],[3,4]]");
  EXPECT_EQ(Json("[0:1]={5,6}", ElementForm::kNumber), "[5,6]");
  EXPECT_EQ(Json("{(1,1),(0,0);(2,2),(1,1)}", ElementForm::kString, ';'), "[\"(1,1),(0,0)\",\"(2,2),(1,1)\"]");
}

TEST(ArrayJsonTest, RefusesWhatIsNoArray) {
  for (const char* text : {"", "1", "{", "{1", "{1,}", "{\"a}", "{1}x", "{{{{{{{{{{{{{{{{{{{{"}) {
    EXPECT_EQ(Json(text), "no array") << text;
  }
}

int64_t Micros(absl::string_view text) {
  int64_t microseconds = 42;
  return ParseTimestamp(text, &microseconds) ? microseconds : 42;
}

TEST(TimestampTest, ReadsEveryForm) {
  EXPECT_EQ(Micros("1970-01-01 00:00:00"), 0);
  EXPECT_EQ(Micros("1970-01-01 00:00:01.25+01"), -3598750000);
  EXPECT_EQ(Micros("1969-12-31 23:59:59.999999"), -1);
  EXPECT_EQ(Micros("1970-01-01 05:53:28+05:53:28"), 0);
  EXPECT_EQ(Micros("2000-01-01 00:00:00-03:30"), 946697400000000);
  EXPECT_EQ(Micros("0001-12-31 00:00:00 BC"), -62135683200000000);
  EXPECT_EQ(Micros("infinity"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Micros("-infinity"), std::numeric_limits<int64_t>::min());
}

TEST(TimestampTest, RefusesTheRest) {
  for (const char* text :
       {"", "1970-01-01", "01.01.1970 00:00:00", "294276-12-31 23:59:59", "1970-01-01 00:00:00 CET"}) {
    EXPECT_EQ(Micros(text), 42) << text;
  }
}

TEST(TimestampTest, FormatsAsRfc3339) {
  const auto rfc = [](absl::string_view text) { return FormatTimestamp(text, Micros(text), true); };
  EXPECT_EQ(rfc("2026-08-22 13:05:01.25+02"), "2026-08-22T11:05:01.25Z");
  EXPECT_EQ(rfc("1969-12-31 23:59:59.5+00"), "1969-12-31T23:59:59.5Z");
  EXPECT_EQ(rfc("0044-03-15 00:00:00+00 BC"), "0044-03-15 00:00:00+00 BC");
  EXPECT_EQ(rfc("infinity"), "infinity");
  EXPECT_EQ(FormatTimestamp("2026-01-01 00:00:00", Micros("2026-01-01 00:00:00"), false), "2026-01-01T00:00:00");
}

std::string Iso(absl::string_view text) {
  std::string iso;
  return IntervalToIso8601(text, &iso) ? iso : "no interval";
}

TEST(IntervalTest, BecomesIso8601) {
  EXPECT_EQ(Iso("1 year 2 mons 3 days 04:05:06.5"), "P1Y2M3DT4H5M6.5S");
  EXPECT_EQ(Iso("-1 years -2 mons +3 days -04:05:06"), "P-1Y-2M3DT-4H-5M-6S");
  EXPECT_EQ(Iso("00:00:00"), "PT0S");
  EXPECT_EQ(Iso("1 mon"), "P1M");
  EXPECT_EQ(Iso("100:00:00"), "PT100H");
  EXPECT_EQ(Iso("-00:00:00.000001"), "PT-0.000001S");
  EXPECT_EQ(Iso("@ 1 day"), "no interval");
}

TEST(ColumnTypeTest, NamesTypesAsPostgresDoes) {
  const auto name = [](uint32_t oid, int32_t modifier) { return BuiltInColumnType(oid, modifier)->name; };
  EXPECT_EQ(name(1700, ((12 << 16) | 2) + 4), "numeric(12,2)");
  EXPECT_EQ(name(1043, 9), "character varying(5)");
  EXPECT_EQ(name(1042, -1), "bpchar");
  EXPECT_EQ(name(1042, 8), "character(4)");
  EXPECT_EQ(name(1184, 3), "timestamp(3) with time zone");
  EXPECT_EQ(name(1007, -1), "integer[]");
  EXPECT_EQ(name(1186, 0x7fff0003), "interval(3)");
  EXPECT_EQ(BuiltInColumnType(1020, -1)->delimiter, ';');
  EXPECT_FALSE(BuiltInColumnType(16384, -1).has_value());
}

}  // namespace
}  // namespace sluice::codec
