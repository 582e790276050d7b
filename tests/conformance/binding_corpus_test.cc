// Every case of tests/data/binding-cases.jsonl gives through the gateway what a
// server-side bind gives: the same rows and types, or the same SQLSTATE.

#include <cstdlib>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"
#include "tests/support/corpus.h"

namespace sluice {
namespace {

using testing_support::BindingCase;
using testing_support::Direct;

// A server takes an empty statement and gives nothing; to the gateway it is a mistake.
const std::set<std::string>& RefusedByTheGatewayAlone() {
  static const auto& names = *new std::set<std::string>{"lexing/empty-query", "lexing/only-comment"};
  return names;
}

class BindingCorpusTest : public testing::Test {
 protected:
  void ResetSchema(const std::string& database) {
    Direct direct(postgres_.ConnectionString(database));
    direct.Run("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    direct.Run(testing_support::ReadFile("tests/data/binding-setup.sql"));
  }

  void CanariesAreAlive(const std::string& database) {
    Direct direct(postgres_.ConnectionString(database));
    EXPECT_EQ(direct.Value("SELECT string_agg(id || secret, ',' ORDER BY id) FROM canary"), "k1s3cr3t,k2hunter2");
  }

  void Check(const BindingCase& expected, const client::Database& db) {
    client::Statement statement("");
    *statement.mutable_proto() = expected.statement;
    const absl::StatusOr<client::Result> result = db.Execute(statement, client::CallOptions());
    if (expected.must_reject || RefusedByTheGatewayAlone().count(expected.name) > 0) {
      EXPECT_FALSE(result.ok()) << "must be refused";
    } else if (!expected.error.empty()) {
      if (expected.diverges && result.ok()) return;
      ASSERT_FALSE(result.ok()) << "should fail with " << expected.error;
      EXPECT_EQ(SqlStateOf(result.status()), expected.error) << result.status();
    } else if (!result.ok()) {
      EXPECT_TRUE(expected.may_reject || expected.diverges) << result.status();
    } else {
      CheckRows(expected, result->proto());
    }
  }

  void CheckRows(const BindingCase& expected, const v1::ResultSet& result) {
    ASSERT_EQ(result.columns_size(), static_cast<int>(expected.type_oids.size()));
    ASSERT_EQ(result.rows().row_count(), expected.rows.size());
    for (int column = 0; column < result.columns_size(); ++column) {
      const v1::Column& facts = result.columns(column);
      constexpr uint32_t kFirstOwnOid = 16384;
      if (expected.type_oids[column] < kFirstOwnOid) {
        EXPECT_EQ(facts.type_oid(), expected.type_oids[column]);
      }
      for (size_t row = 0; row < expected.rows.size(); ++row) {
        std::optional<std::string> wanted = expected.rows[row][column];
        if (wanted.has_value()) wanted = testing_support::InFormOfKind(*wanted, facts, &oracle_);
        std::optional<std::string> got = testing_support::PostgresText(result, static_cast<int>(row), column);
        if (facts.kind() == v1::COLUMN_KIND_ARRAY && wanted.has_value() && got.has_value()) {
          EXPECT_EQ(nlohmann::json::parse(*got), Loosened(nlohmann::json::parse(*wanted), nlohmann::json::parse(*got)));
        } else {
          EXPECT_EQ(got, wanted) << "row " << row << ", column " << facts.name();
        }
      }
    }
  }

  // PostgreSQL was asked for the elements as strings; where ours is a number, so it becomes.
  static nlohmann::json Loosened(const nlohmann::json& wanted, const nlohmann::json& got) {
    if (wanted.is_array() && got.is_array() && wanted.size() == got.size()) {
      nlohmann::json loosened = nlohmann::json::array();
      for (size_t i = 0; i < wanted.size(); ++i) loosened.push_back(Loosened(wanted[i], got[i]));
      return loosened;
    }
    if (wanted.is_string() && got.is_number()) return nlohmann::json::parse(wanted.get<std::string>());
    return wanted;
  }

  testing_support::PostgresServer postgres_;
  Direct oracle_{postgres_.ConnectionString()};
  const std::vector<BindingCase> cases_ = testing_support::ReadBindingCases("tests/data/binding-cases.jsonl");
};

TEST_F(BindingCorpusTest, AgreesWithAServerSideBind) {
  const testing_support::PgBouncer pgbouncer(postgres_, testing_support::PgBouncer::Options());
  const testing_support::Gateway gateway(pgbouncer.Url());
  const client::Database db = gateway.Client();
  ASSERT_EQ(cases_.size(), 257u);
  ResetSchema("postgres");
  for (const BindingCase& expected : cases_) {
    if (!expected.session.empty()) continue;
    SCOPED_TRACE(absl::StrCat(expected.name, ": ", expected.statement.ShortDebugString()));
    Check(expected, db);
    CanariesAreAlive("postgres");
    const std::string& sql = expected.statement.sql();
    const bool leaves_no_trace = absl::StartsWithIgnoreCase(sql, "select") && !absl::StrContains(sql, "nextval");
    if (!leaves_no_trace) ResetSchema("postgres");
  }
}

// Settings that a role or database brings to every session.
TEST_F(BindingCorpusTest, AgreesUnderForeignSettings) {
  int checked = 0;
  for (const BindingCase& expected : cases_) {
    if (expected.session.empty() || !absl::StartsWith(expected.session[0], "SET ")) continue;
    SCOPED_TRACE(expected.name);
    const std::string database = absl::StrCat("foreign", checked++);
    oracle_.Run(absl::StrCat("CREATE DATABASE ", database));
    ResetSchema(database);
    for (const std::string& set : expected.session) oracle_.Run(absl::StrCat("ALTER DATABASE ", database, " ", set));
    const testing_support::Gateway gateway(postgres_.Url(database));
    Check(expected, gateway.Client());
    CanariesAreAlive(database);
  }
  EXPECT_EQ(checked, 10);
}

// Another client of the same pooler left a type behind that is found before text.
TEST_F(BindingCorpusTest, IsNotFooledByATemporaryTypeOfAnotherClient) {
  testing_support::PgBouncer::Options one_backend;
  one_backend.default_pool_size = 1;
  const testing_support::PgBouncer pgbouncer(postgres_, one_backend);
  ResetSchema("postgres");
  int checked = 0;
  for (const BindingCase& expected : cases_) {
    if (expected.session.empty() || absl::StartsWith(expected.session[0], "SET ")) continue;
    SCOPED_TRACE(expected.name);
    Direct other_client(pgbouncer.ConnectionString());
    for (const std::string& statement : expected.session) other_client.Run(statement);
    // The trap is set: a plain name runs into it.
    EXPECT_EQ(other_client.Execute("SELECT 'a'::text").sqlstate, "22P02");
    const testing_support::Gateway gateway(pgbouncer.Url(), {"--pool_size=1"});
    Check(expected, gateway.Client());
    ++checked;
  }
  EXPECT_EQ(checked, 1);
}

}  // namespace
}  // namespace sluice
