// Random statements with nasty values give through the gateway what PQexecParams gives.
//
// A bounded run here; a long one by flag:
//   bazel run //tests/conformance:binding_fuzz_test -- --iterations=1000000 --seed=7

#include <cstdio>
#include <cstdlib>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

int iterations = 3000;
unsigned seed = 0;

using testing_support::Direct;

constexpr uint32_t kInt4 = 23, kInt8 = 20, kText = 25, kBool = 16, kFloat8 = 701, kNumeric = 1700, kBytea = 17;

// One random statement, with the same parameters for both ways.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  struct Case {
    v1::Statement statement;
    std::vector<Direct::Parameter> parameters;
  };

  Case Next() {
    case_ = Case();
    std::vector<std::string> columns;
    const int count = 1 + Below(3);
    for (int i = 0; i < count; ++i) {
      columns.push_back(absl::StrCat("(", Noise(), Expression(3), Noise(), ")::text", Noise(), "AS c", i));
    }
    std::string sql = absl::StrCat(Noise(), "SELECT ", absl::StrJoin(columns, absl::StrCat(Noise(), ",", Noise())));
    if (Below(4) == 0) sql += " -- a comment with ' and $9 at the end";
    if (Below(4) == 0) sql += "\n;";
    case_.statement.set_sql(sql);
    return std::move(case_);
  }

 private:
  int Below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }
  template <size_t N>
  const char* OneOf(const char* const (&choices)[N]) {
    return choices[Below(static_cast<int>(N))];
  }

  // What may stand between any two tokens.
  std::string Noise() {
    static constexpr const char* const kNoise[] = {
        " ", " ", " ", "\n", "\t", "/* $1 ' \" */", "-- $1 ' \\\n", "/* /* ' */ $2 */", "--\\\r", " \f "};
    return OneOf(kNoise);
  }

  std::string Literal() {
    static constexpr const char* const kLiterals[] = {"'it''s $1'",   "E'\\'$1\\\\'", "$q$ ' $1 $q$", "$$'$1$$",
                                                      "U&'\\0061$1'", "'a'\n'b $2'",  "E'a'\n'\\'b'", "'\\'",
                                                      "''",           "N'x'",         "'--'",         "'/*'"};
    return OneOf(kLiterals);
  }

  std::string Bytes() {
    static constexpr const char* const kPieces[] = {
        "'", "\\", "\\'",  "''", "--", "/*", "*/",  "\n",  "\r",           "$1", "$$", "$a$", ";",  "\"",  "{",
        "}", ",",  "NULL", "%s", "?",  "E'", "U&'", u8"é", u8"\U0001d11e", " ",  "a",  "0",   "\t", "\x7f"};
    std::string text;
    for (int i = Below(8); i > 0; --i) text += OneOf(kPieces);
    return text;
  }

  // A placeholder for a new parameter, or now and then for one that is there already.
  std::string Parameter(uint32_t type) {
    if (Below(4) == 0) {
      for (size_t i = 0; i < case_.parameters.size(); ++i) {
        if (case_.parameters[i].type_oid == type) return absl::StrCat("$", i + 1);
      }
    }
    v1::Value* value = case_.statement.add_params();
    Direct::Parameter& parameter = case_.parameters.emplace_back();
    parameter.type_oid = type;
    if (Below(8) == 0) {
      client::SetValue(nullptr, value);
      value->set_type_name(type == kInt4      ? "int4"
                           : type == kInt8    ? "int8"
                           : type == kText    ? "text"
                           : type == kBool    ? "bool"
                           : type == kFloat8  ? "float8"
                           : type == kNumeric ? "numeric"
                                              : "bytea");
    } else {
      SetRandomValue(type, value, &parameter.text.emplace());
      parameter.binary = type == kBytea;
    }
    return absl::StrCat("$", Below(10) == 0 ? "0" : "", case_.parameters.size());
  }

  void SetRandomValue(uint32_t type, v1::Value* value, std::string* text) {
    static constexpr const char* const kNumerics[] = {"0",   "-1",       "1.50", "-0.00", "12345678901234567890.01",
                                                      "NaN", "Infinity", "1e-20"};
    static constexpr double kDoubles[] = {0.0, -0.0, 0.1, -1.5, 5e-324, 1.7976931348623157e308, 1e22, 123456789.125};
    static constexpr int64_t kIntegers[] = {0, 1, -1, -5, 7, 2147483647, -2147483648LL};
    switch (type) {
      case kInt4: {
        const int32_t number = static_cast<int32_t>(kIntegers[Below(7)]);
        client::SetValue(number, value);
        *text = absl::StrCat(number);
        break;
      }
      case kInt8: {
        const int64_t number = kIntegers[Below(7)] * (Below(2) == 0 ? 1 : 4294967296LL);
        client::SetValue(number, value);
        *text = absl::StrCat(number);
        break;
      }
      case kBool: {
        const bool truth = Below(2) == 0;
        client::SetValue(truth, value);
        *text = truth ? "t" : "f";
        break;
      }
      case kFloat8: {
        const double number = kDoubles[Below(8)];
        client::SetValue(number, value);
        char digits[64];
        std::snprintf(digits, sizeof(digits), "%.17g", number);
        *text = digits;
        break;
      }
      case kNumeric:
        *text = OneOf(kNumerics);
        client::SetValue(client::Numeric{*text}, value);
        break;
      case kBytea:
        *text = Bytes() + std::string(1, static_cast<char>(Below(256)));
        client::SetValue(client::Bytes{*text}, value);
        break;
      default: *text = Bytes(); client::SetValue(client::As(*text, "text"), value);
    }
  }

  std::string Expression(int depth) {
    switch (Below(5)) {
      case 0: return Number(depth);
      case 1: return Truth(depth);
      case 2: return Parameter(kBytea);
      default: return Text(depth);
    }
  }

  std::string Number(int depth) {
    static constexpr const char* const kOperators[] = {"+", "-", "*", "/", "%"};
    if (depth == 0 || Below(3) == 0) {
      const uint32_t types[] = {kInt4, kInt8, kNumeric, kFloat8};
      return Below(5) == 0 ? "7" : Parameter(types[Below(4)]);
    }
    switch (Below(5)) {
      case 0: return absl::StrCat("-", Noise(), Number(depth - 1));
      case 1: return absl::StrCat("@", Number(depth - 1));
      case 2: return absl::StrCat("length(", Noise(), Text(depth - 1), ")");
      case 3: return absl::StrCat("(", Number(depth - 1), OneOf(kOperators), Number(depth - 1), ")");
      default: return absl::StrCat("coalesce(", Number(depth - 1), ",", Noise(), Number(depth - 1), ")");
    }
  }

  std::string Text(int depth) {
    if (depth == 0 || Below(3) == 0) return Below(3) == 0 ? Literal() : Parameter(kText);
    switch (Below(5)) {
      case 0: return absl::StrCat("(", Text(depth - 1), Noise(), "||", Noise(), Text(depth - 1), ")");
      case 1: return absl::StrCat("upper(", Text(depth - 1), Noise(), ")");
      case 2: return absl::StrCat("substr(", Text(depth - 1), ",", Parameter(kInt4), ")");
      case 3: return absl::StrCat("(SELECT a$1 FROM (SELECT ", Text(depth - 1), " AS a$1) AS \"$1 ' q\")");
      default:
        return absl::StrCat("CASE WHEN ", Truth(depth - 1), " THEN ", Text(depth - 1), " ELSE ", Text(depth - 1),
                            " END");
    }
  }

  std::string Truth(int depth) {
    if (depth == 0 || Below(3) == 0) return Parameter(kBool);
    switch (Below(3)) {
      case 0: return absl::StrCat("(", Text(depth - 1), Noise(), "=", Text(depth - 1), ")");
      case 1: return absl::StrCat("(", Number(depth - 1), Noise(), "<", Noise(), Number(depth - 1), ")");
      default: return absl::StrCat("(", Text(depth - 1), " IS NULL)");
    }
  }

  std::mt19937 random_;
  Case case_;
};

class BindingFuzzTest : public ConformanceTest {};

TEST_F(BindingFuzzTest, AgreesWithAServerSideBind) {
  std::printf("--iterations=%d --seed=%u\n", iterations, seed);
  Generator generator(seed);
  testing_support::Direct direct(postgres_->ConnectionString());
  int succeeded = 0, stricter = 0;
  for (int i = 0; i < iterations && !HasFailure(); ++i) {
    const Generator::Case next = generator.Next();
    SCOPED_TRACE(absl::StrCat("iteration ", i, ": ", next.statement.DebugString()));
    const Direct::Answer wanted = direct.ExecuteBound(next.statement.sql(), next.parameters);
    client::Statement statement("");
    *statement.mutable_proto() = next.statement;
    const absl::StatusOr<client::Result> got = db().Execute(statement, client::CallOptions());
    // A minus before a minus begins a comment, and may hide a $n: a parameter that is not
    // used is refused here, while a server takes it.
    if (Reason(got) == "PARAMETER_COUNT") {
      ++stricter;
      continue;
    }
    if (!wanted.sqlstate.empty()) {
      ASSERT_FALSE(got.ok()) << "should fail: " << wanted.error;
      EXPECT_EQ(SqlStateOf(got.status()), wanted.sqlstate) << wanted.error << got.status();
      continue;
    }
    ++succeeded;
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_EQ(got->size(), 1);
    for (size_t column = 0; column < wanted.rows[0].size(); ++column) {
      EXPECT_EQ(*(*got)[0].Get<std::optional<std::string>>(static_cast<int>(column)), wanted.rows[0][column]);
    }
  }
  // Most statements must succeed, or nothing was compared.
  EXPECT_GT(succeeded, iterations / 3);
  EXPECT_LT(stricter, iterations / 20);
  std::printf("%d of %d statements succeeded, alike on both ways\n", succeeded, iterations);
}

}  // namespace

void SetFuzzFlags(int argc, char** argv) {
  seed = std::random_device()();
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (absl::ConsumePrefix(&argument, "--iterations=")) iterations = std::atoi(argument.data());
    if (absl::ConsumePrefix(&argument, "--seed=")) seed = static_cast<unsigned>(std::atoll(argument.data()));
  }
}

}  // namespace sluice

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  sluice::SetFuzzFlags(argc, argv);
  return RUN_ALL_TESTS();
}
