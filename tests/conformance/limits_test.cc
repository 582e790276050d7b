// Every limit, at it and one past it: at it the call succeeds, past it the error says which
// limit it was, before anything is sent.

#include <grpcpp/create_channel.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

class LimitsTest : public ConformanceTest {
 protected:
  // The limit that the error names.
  static std::string LimitOf(const absl::Status& status) {
    const ErrorFacts facts = FactsOf(status);
    EXPECT_EQ(facts.reason, "REQUEST_TOO_LARGE") << status;
    EXPECT_EQ(facts.outcome, v1::OUTCOME_NOT_STARTED);
    const auto limit = facts.metadata.find("limit");
    return limit == facts.metadata.end() ? "" : limit->second;
  }
};

std::string SelectOfSize(size_t bytes) {
  const std::string head = "SELECT length('", tail = "')";
  return head + std::string(bytes - head.size() - tail.size(), 'x') + tail;
}

TEST_F(LimitsTest, AStatementTextOfOneMebibyte) {
  const absl::StatusOr<client::Result> at = db().Execute(SelectOfSize(1 << 20));
  ASSERT_TRUE(at.ok()) << at.status();
  EXPECT_EQ(LimitOf(db().Execute(SelectOfSize((1 << 20) + 1)).status()), "1048576");
}

client::Statement StatementWithParameters(int count) {
  std::string sql = "SELECT sum(column1) FROM (VALUES ";
  for (int i = 1; i <= count; ++i) absl::StrAppend(&sql, i == 1 ? "($" : ",($", i, ")");
  client::Statement statement(absl::StrCat(sql, ") v"));
  for (int i = 0; i < count; ++i) statement.mutable_proto()->add_params()->set_int32_value(1);
  return statement;
}

TEST_F(LimitsTest, AsManyParametersAsPostgresItselfTakes) {
  const absl::StatusOr<client::Result> at = db().Execute(StatementWithParameters(65535), client::CallOptions());
  ASSERT_TRUE(at.ok()) << at.status();
  EXPECT_EQ(*at->Scalar<int64_t>(), 65535);
  EXPECT_EQ(LimitOf(db().Execute(StatementWithParameters(65536), client::CallOptions()).status()), "65535");
}

TEST_F(LimitsTest, AnArrayOf100000Elements) {
  const absl::StatusOr<client::Result> at = db().Execute("SELECT cardinality($1)", std::vector<int32_t>(100000, 7));
  ASSERT_TRUE(at.ok()) << at.status();
  EXPECT_EQ(*at->Scalar<int32_t>(), 100000);
  EXPECT_EQ(LimitOf(db().Execute("SELECT cardinality($1)", std::vector<int32_t>(100001, 7)).status()), "100000");
}

TEST_F(LimitsTest, ABatchOfAThousandStatements) {
  std::vector<client::Statement> statements(1000, client::Statement("SELECT 1"));
  const auto at = db().ExecuteAtomic(statements);
  ASSERT_TRUE(at.ok()) << at.status();
  EXPECT_EQ(at->size(), 1000u);
  statements.emplace_back("SELECT 1");
  EXPECT_EQ(LimitOf(db().ExecuteAtomic(statements).status()), "1000");
}

// A request of exactly so many bytes on the wire.
v1::ExecuteRequest RequestOfSize(size_t bytes) {
  v1::ExecuteRequest request;
  request.mutable_statement()->set_sql("SELECT length($1)");
  std::string* text = request.mutable_statement()->add_params()->mutable_text_value();
  text->assign(bytes - 100, 'x');
  text->append(bytes - request.ByteSizeLong(), 'x');
  EXPECT_EQ(request.ByteSizeLong(), bytes);
  return request;
}

TEST_F(LimitsTest, ARequestOfFourMebibytes) {
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway_->address(), grpc::InsecureChannelCredentials()));
  v1::ExecuteResponse response;
  grpc::ClientContext fits, too_large;
  const grpc::Status at = stub->Execute(&fits, RequestOfSize(4 << 20), &response);
  EXPECT_TRUE(at.ok()) << at.error_message();
  const grpc::Status past = stub->Execute(&too_large, RequestOfSize((4 << 20) + 1), &response);
  EXPECT_EQ(past.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(past.error_details().find("REQUEST_TOO_LARGE"), std::string::npos) << past.error_message();
}

TEST_F(LimitsTest, ABoundStatementOfManyMebibytes) {
  // The text comes once and is put in at each of its uses: counted as if each of its
  // characters had to be doubled.
  const std::string text(1 << 20, 'x');
  const auto uses = [&](int count) {
    const std::string sql =
        absl::StrCat("SELECT length(", absl::StrJoin(std::vector<std::string>(count, "$1"), " || "), ")");
    return db().Execute(sql, text);
  };
  const absl::StatusOr<client::Result> at = uses(30);
  ASSERT_TRUE(at.ok()) << at.status();
  EXPECT_EQ(*at->Scalar<int32_t>(), 30 << 20);
  EXPECT_EQ(LimitOf(uses(65).status()), "67108864");
}

// Of a reply, whose facts about the call differ by a few bytes from call to call.
TEST_F(LimitsTest, AReplyOfFourMebibytes) {
  const int32_t limit = 4 << 20, facts_about_the_call = 300;
  const absl::StatusOr<client::Result> at = db().Execute("SELECT repeat('x', $1)", limit - facts_about_the_call);
  EXPECT_TRUE(at.ok()) << at.status();
  const absl::StatusOr<client::Result> past = db().Execute("SELECT repeat('x', $1)", limit);
  EXPECT_EQ(Reason(past), "RESPONSE_TOO_LARGE");
}

TEST_F(LimitsTest, AsManyRowsAsTheCallerWants) {
  client::CallOptions options;
  options.result.set_max_rows(10);
  EXPECT_TRUE(db().Execute(client::Statement("SELECT generate_series(1, 10)"), options).ok());
  EXPECT_EQ(Reason(db().Execute(client::Statement("SELECT generate_series(1, 11)"), options)), "RESPONSE_TOO_LARGE");
}

}  // namespace
}  // namespace sluice
