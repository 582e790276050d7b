#include "server/sql/shape.h"

#include <string>

#include "gtest/gtest.h"

namespace sluice::sql {
namespace {

std::string TextOf(absl::string_view statement) { return ShapeOf(statement).text; }

TEST(ShapeTest, HasNoValues) {
  EXPECT_EQ(TextOf("SELECT * FROM users WHERE email = 'ada@example.org' AND age > 42 AND id = $1"),
            "select * from users where email = ? and age > ? and id = ?");
  EXPECT_EQ(TextOf("SELECT E'it\\'s', $$secret$$, B'101', 1.5e10"), "select ?");
  EXPECT_EQ(TextOf("SELECT 1 -- 4111 1111\n/* 'secret' */"), "select ?");
}

TEST(ShapeTest, HasNoTruthsEither) {
  EXPECT_EQ(TextOf("SELECT 1 FROM t WHERE ill = TRUE AND (a, b) = (false, NULL)"),
            "select ? from t where ill = ? and(a, b) = (?)");
}

TEST(ShapeTest, OfAHugeTextIsThatOfItsBeginning) {
  const std::string huge = "SELECT a, '" + std::string(1 << 20, 's') + "', b";
  EXPECT_EQ(TextOf(huge), "select a,");
}

TEST(ShapeTest, IsTheSameForListsOfAnyLength) {
  EXPECT_EQ(TextOf("SELECT 1 FROM t WHERE id IN (1, 2, 3)"), TextOf("select 1 from t where id in ($1)"));
  EXPECT_EQ(TextOf("INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y'), (3, 'z')"), "insert into t(a, b) values(?)");
}

TEST(ShapeTest, IsTheSameHoweverItIsWritten) {
  EXPECT_EQ(ShapeOf("select a.b,c::int from t where x=1").fingerprint,
            ShapeOf("SELECT a . b , c :: int\nFROM t\n  WHERE x = 2 -- two").fingerprint);
  EXPECT_NE(ShapeOf("select a from t").fingerprint, ShapeOf("select b from t").fingerprint);
}

TEST(ShapeTest, KeepsNamesAndOperators) {
  EXPECT_EQ(TextOf("SELECT \"Order\".\"Id\", data->>'k', count(*) FROM \"Order\" WHERE a <> -1 AND v[1] <= 2"),
            "select \"Order\".\"Id\", data ->> ?, count(*) from \"Order\" where a <> - ? and v[?] <= ?");
}

TEST(ShapeTest, OfWhatCanNotBeReadIsNothing) {
  EXPECT_EQ(TextOf("SELECT 'no end"), "?");
  // A string or a string's end and a name, as the server is set.
  EXPECT_EQ(TextOf("SELECT 'a\\', secret, '"), "?");
}

TEST(ShapeTest, IsShortAndStillTellsLongOnesApart) {
  const std::string names(3000, 'x');
  const Shape one = ShapeOf("SELECT " + names + "1"), other = ShapeOf("SELECT " + names + "2");
  EXPECT_EQ(one.text.size(), 1000u);
  EXPECT_EQ(one.text, other.text);
  EXPECT_NE(one.fingerprint, other.fingerprint);
}

}  // namespace
}  // namespace sluice::sql
