// Bad input gets a clear error (code, reason, field), nothing is sent, nothing leaks, and the
// connections stay usable (the fixture asks after each test).

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/unknown_field_set.h"
#include "google/rpc/status.pb.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"
#include "tests/support/hostile_client.h"

namespace sluice {
namespace {

class BadInputTest : public ConformanceTest {
 protected:
  static void SetUpTestSuite() {
    ConformanceTest::SetUpTestSuite();
    testing_support::Direct direct(postgres_->ConnectionString());
    direct.Run("ALTER SYSTEM SET log_statement = 'all'");
    direct.Run("SELECT pg_reload_conf()");
    // Until the sessions behind the pooler have heard of it.
    const client::Database db = gateway_->Client();
    ASSERT_TRUE(testing_support::Eventually([&db] {
      (void)db.Execute("SELECT 'seen by PostgreSQL'");
      return absl::StrContains(PostgresLog(), "SELECT 'seen by PostgreSQL'");
    }));
  }

  void SetUp() override {
    ConformanceTest::SetUp();
    statements_before_ = StatementsSent();
    given_up_before_ = ConnectionsGivenUp();
  }

  // Resident, in MiB.
  static int MemoryOfGateway() {
    return static_cast<int>(testing_support::StatusOfProcess(gateway_->process().pid(), "VmRSS") >> 10);
  }

  static std::string SocketOfGateway() { return gateway_->address().substr(std::string("unix:").size()); }

 private:
  static std::string PostgresLog() {
    return testing_support::ReadFile(postgres_->socket_directory() + "/postgres.log");
  }

  static size_t ConnectionsGivenUp() {
    const std::vector<std::string> parts = absl::StrSplit(gateway_->log(), "connection_discarded");
    return parts.size() - 1;
  }

  // What PostgreSQL has been asked, but for the gateway's and the fixture's own questions.
  static std::vector<std::string> StatementsSent() {
    std::vector<std::string> statements;
    for (absl::string_view line : absl::StrSplit(PostgresLog(), '\n')) {
      const bool own = absl::EndsWith(line, "statement: SELECT 1") || absl::EndsWith(line, "SELECT 1\n") ||
                       absl::EndsWith(line, ";SELECT 1") || absl::StrContains(line, "pg_catalog.") ||
                       absl::StrContains(line, "pg_stat_activity");
      if (absl::StrContains(line, "statement: ") && !own) statements.push_back(std::string(line));
    }
    return statements;
  }

  std::vector<std::string> statements_before_;
  size_t given_up_before_ = 0;
};

ErrorFacts FactsOfExecute(const client::Database& db, const v1::Statement& proto) {
  client::Statement statement("");
  *statement.mutable_proto() = proto;
  absl::StatusOr<client::Result> result = db.Execute(statement, client::CallOptions());
  EXPECT_FALSE(result.ok()) << proto.ShortDebugString().substr(0, 100);
  return FactsOf(result.status());
}

v1::Statement Sql(const std::string& sql) {
  v1::Statement statement;
  statement.set_sql(sql);
  return statement;
}

TEST_F(BadInputTest, StatementsThatAreNone) {
  const struct {
    std::string sql;
    const char* reason;
  } cases[] = {
      {"", "EMPTY_STATEMENT"},
      {" -- nothing\n", "EMPTY_STATEMENT"},
      {"SELECT 1; SELECT 2", "MULTIPLE_STATEMENTS"},
      {"SELECT 'open", "SYNTAX_ERROR"},
      {"SELECT /* open", "SYNTAX_ERROR"},
      {std::string("SELECT\0 1", 9), "INVALID_TEXT"},
      {"SELECT '" + std::string(1 << 20, 'x') + "'", "REQUEST_TOO_LARGE"},
  };
  for (const auto& bad : cases) {
    SCOPED_TRACE(bad.sql.substr(0, 40));
    const ErrorFacts facts = FactsOfExecute(db(), Sql(bad.sql));
    EXPECT_EQ(facts.code, absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(facts.reason, bad.reason);
    EXPECT_EQ(facts.metadata.at("field"), "statement.sql");
    EXPECT_EQ(facts.outcome, v1::OUTCOME_NOT_STARTED);
  }
}

TEST_F(BadInputTest, StatementsThatAreNotForAPooledSession) {
  for (const char* sql : {"BEGIN", "COMMIT", "SET ROLE postgres", "SAVEPOINT a"}) {
    EXPECT_EQ(FactsOfExecute(db(), Sql(sql)).reason, "TRANSACTION_CONTROL") << sql;
  }
  for (const char* sql : {"SET work_mem = 1", "LISTEN a", "PREPARE a AS SELECT 1", "CREATE TEMP TABLE t (a int)",
                          "SELECT pg_advisory_lock(1)", "DISCARD ALL"}) {
    const ErrorFacts facts = FactsOfExecute(db(), Sql(sql));
    EXPECT_EQ(facts.reason, "SESSION_STATE") << sql;
    EXPECT_EQ(facts.code, absl::StatusCode::kFailedPrecondition);
    EXPECT_NE(facts.message.find("; "), std::string::npos) << "says what to use instead";
  }
  EXPECT_EQ(FactsOfExecute(db(), Sql("COPY t TO STDOUT")).reason, "STATEMENT_NOT_SUPPORTED");
}

TEST_F(BadInputTest, ParametersThatDoNotFit) {
  EXPECT_EQ(Reason(db().Execute("SELECT $2", 1)), "PARAMETER_COUNT");
  EXPECT_EQ(Reason(db().Execute("SELECT $0", 1)), "PARAMETER_COUNT");
  EXPECT_EQ(Reason(db().Execute("SELECT 1", 1)), "PARAMETER_COUNT");
  EXPECT_EQ(Reason(db().Execute("SELECT $1")), "PARAMETER_COUNT");
  EXPECT_EQ(Reason(db().Execute("CREATE VIEW v AS SELECT $1", 1)), "PARAMETERS_NOT_ALLOWED");
  v1::Statement unset = Sql("SELECT $1, $2");
  unset.add_params()->set_int32_value(1);
  unset.add_params();
  const ErrorFacts facts = FactsOfExecute(db(), unset);
  EXPECT_EQ(facts.reason, "PARAMETER_INVALID");
  EXPECT_EQ(facts.metadata.at("parameterIndex"), "2");
  EXPECT_EQ(facts.metadata.at("field"), "statement.params[1]");
  EXPECT_EQ(Reason(db().Execute("SELECT $1", client::As("x", "text); DROP TABLE t; --"))), "PARAMETER_INVALID");
  EXPECT_EQ(Reason(db().Execute("SELECT $1", std::string("a\0b", 3))), "PARAMETER_INVALID");
}

TEST_F(BadInputTest, InvalidUtf8NamesItsField) {
  const ErrorFacts in_sql = FactsOfExecute(db(), Sql("SELECT '\xff'"));
  EXPECT_EQ(in_sql.reason, "INVALID_TEXT");
  EXPECT_EQ(in_sql.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(in_sql.metadata.at("field"), "sql");
  absl::StatusOr<client::Result> in_value = db().Execute("SELECT $1", "\xc0'");
  EXPECT_EQ(FactsOf(in_value.status()).metadata.at("field"), "text_value");
}

TEST_F(BadInputTest, BatchesOverTheirLimits) {
  EXPECT_EQ(Reason(db().ExecuteAtomic({})), "INVALID_FIELD");
  EXPECT_EQ(Reason(db().ExecuteAtomic(std::vector<client::Statement>(1001, client::Statement("SELECT 1")))),
            "REQUEST_TOO_LARGE");
  absl::StatusOr<std::vector<client::Result>> second =
      db().ExecuteAtomic({client::Statement("SELECT 1"), client::Statement("SELECT 1; SELECT 2")});
  EXPECT_EQ(Reason(second), "MULTIPLE_STATEMENTS");
  EXPECT_EQ(FactsOf(second.status()).metadata.at("statementIndex"), "1");
  EXPECT_EQ(Reason(db().ExecuteAtomic({client::Statement("SELECT 1"), client::Statement("VACUUM")})),
            "ACTIVE_SQL_TRANSACTION");
}

TEST_F(BadInputTest, ARequestOverItsLimit) {
  EXPECT_EQ(Reason(db().Execute("SELECT $1", std::string(5 << 20, 'x'))), "REQUEST_TOO_LARGE");
  // Far above it, gRPC does not even read it.
  absl::StatusOr<client::Result> huge = db().Execute("SELECT $1", std::string(20 << 20, 'x'));
  EXPECT_EQ(huge.status().code(), absl::StatusCode::kResourceExhausted) << huge.status();
}

TEST_F(BadInputTest, BytesThatAreNoMessage) {
  const auto channel = grpc::CreateChannel(gateway_->address(), grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  grpc::Slice garbage("\xff\xff\xff\xff garbage");
  grpc::ByteBuffer request(&garbage, 1), reply;
  auto call = stub.PrepareUnaryCall(&context, "/sluice.v1.Database/Execute", request, &queue);
  call->StartCall();
  grpc::Status status;
  call->Finish(&reply, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_NE(details.DebugString().find("MALFORMED_REQUEST"), std::string::npos);
}

TEST_F(BadInputTest, GarbageOnThePort) {
  for (const std::string& garbage : {std::string("GET / HTTP/1.0\r\n\r\n"), std::string(1000, '\xff'),
                                     std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string(64, '\x7f')}) {
    const int socket_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    SocketOfGateway().copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(connect(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_GT(send(socket_fd, garbage.data(), garbage.size(), MSG_NOSIGNAL), 0);
    shutdown(socket_fd, SHUT_WR);
    // To the end: the gateway closes it.
    char buffer[256];
    while (read(socket_fd, buffer, sizeof(buffer)) > 0) {
    }
    close(socket_fd);
  }
  EXPECT_TRUE(db().CheckHealth().ok() || gateway_->AwaitReady());
}

TEST_F(BadInputTest, AValueThatWouldBePutInAHundredTimes) {
  v1::Statement statement = Sql("SELECT $1");
  for (int i = 0; i < 100; ++i) absl::StrAppend(statement.mutable_sql(), ", $1");
  statement.add_params()->set_text_value(std::string(1 << 20, 'x'));
  const ErrorFacts facts = FactsOfExecute(db(), statement);
  EXPECT_EQ(facts.reason, "REQUEST_TOO_LARGE");
}

// The length in front of a message is the caller's word, and gRPC gathers the message before it
// looks at its size; of strangers too.
TEST_F(BadInputTest, AMessageThatPromisesAGigabyte) {
  const int memory_before = MemoryOfGateway();
  testing_support::HostileClient liar(SocketOfGateway());
  const int64_t taken = liar.SendMessage("/sluice.v1.Database/Execute", 1 << 30);
  EXPECT_LT(taken, 600 << 20);
  EXPECT_LT(MemoryOfGateway(), memory_before + 900);
}

// From a client that is newer than the gateway: to do without what it asks for could be a breach.
TEST_F(BadInputTest, AFieldThatThisGatewayDoesNotKnow) {
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway_->address(), grpc::InsecureChannelCredentials()));
  v1::ExecuteRequest request;
  request.mutable_statement()->set_sql("SELECT 'with something new'");
  v1::CallOptions* call = request.mutable_options();
  call->GetReflection()->MutableUnknownFields(call)->AddLengthDelimited(99, "something new");
  grpc::ClientContext context;
  v1::ExecuteResponse response;
  const grpc::Status status = stub->Execute(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_details().find("INVALID_FIELD"), std::string::npos) << status.error_message();
  EXPECT_NE(status.error_message().find("options.99"), std::string::npos) << status.error_message();
}

TEST_F(BadInputTest, AFieldThatIsNotKnownInAStatementOfABatch) {
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway_->address(), grpc::InsecureChannelCredentials()));
  v1::ExecuteBatchRequest request;
  request.set_mode(v1::ExecuteBatchRequest::ATOMIC);
  for (int i = 0; i < 2; ++i) request.add_statements()->set_sql("SELECT 1");
  v1::Statement* second = request.mutable_statements(1);
  second->GetReflection()->MutableUnknownFields(second)->AddVarint(99, 1);
  grpc::ClientContext context;
  v1::ExecuteBatchResponse response;
  const grpc::Status status = stub->ExecuteBatch(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("statements[1].99"), std::string::npos) << status.error_message();
}

}  // namespace
}  // namespace sluice
