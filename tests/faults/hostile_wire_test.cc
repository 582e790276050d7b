// Requests that were mutilated on their way, and frames that are none: each call ends with an answer of the gateway's
// own, and the gateway goes on.

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "sluice/v1/database.pb.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

class HostileWireTest : public ConformanceTest {
 protected:
  // Any method, as a stream both ways: gRPC's wire knows no difference. Its status, and how many messages came.
  grpc::Status Call(const std::string& method, const std::vector<std::string>& messages) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    grpc::CompletionQueue queue;
    const auto await = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    auto call = stub_.PrepareCall(&context, "/sluice.v1.Database/" + method, &queue);
    call->StartCall(nullptr);
    bool goes_on = await();
    for (const std::string& message : messages) {
      if (!goes_on) break;
      const grpc::Slice slice(message);
      call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
      goes_on = await();
    }
    call->WritesDone(nullptr);
    await();
    for (grpc::ByteBuffer reply;;) {
      call->Read(&reply, nullptr);
      if (!await()) break;
    }
    grpc::Status status;
    call->Finish(&status, nullptr);
    await();
    return status;
  }

  // Some bytes are others, gone, or there twice; or it ends early.
  std::string Mutilated(std::string bytes) {
    const int wounds = Pick(1, 4);
    for (int i = 0; i < wounds && !bytes.empty(); ++i) {
      const int at = Pick(0, static_cast<int>(bytes.size()) - 1);
      switch (Pick(0, 4)) {
        case 0: bytes[at] = static_cast<char>(Pick(0, 255)); break;
        case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << Pick(0, 7))); break;
        case 2: bytes.erase(at, Pick(1, 5)); break;
        case 3: bytes.insert(at, bytes.substr(at, Pick(1, 9))); break;
        default: bytes.resize(at); break;
      }
    }
    return bytes;
  }
  int Pick(int first, int last) { return std::uniform_int_distribution<int>(first, last)(random_); }

  std::mt19937 random_{20221110};
  grpc::GenericStub stub_{grpc::CreateChannel(gateway_->address(), grpc::InsecureChannelCredentials())};
};

v1::CallOptions Options() {
  v1::CallOptions options;
  options.set_priority(v1::PRIORITY_HIGH);
  options.mutable_identity()->set_role("postgres");
  options.mutable_identity()->set_claims_json(R"({"sub": "42", "list": [1, 2.5, null, true]})");
  options.mutable_result()->set_max_rows(1000);
  options.mutable_result()->set_timestamps_as_text(true);
  return options;
}

v1::Statement Statement() {
  v1::Statement statement;
  statement.set_sql("SELECT $1, 'a''b', E'\\n', $tag$ x $tag$, $2::text /* c /* d */ */ -- e");
  statement.add_params()->set_text_value("it's ümläut");
  v1::Value* array = statement.add_params();
  array->mutable_array_value()->add_elements()->set_int64_value(7);
  array->mutable_array_value()->add_elements()->set_text_value("x");
  return statement;
}

// What each method is sent, when all is well.
std::map<std::string, std::vector<std::string>> GoodMessages() {
  std::map<std::string, std::vector<std::string>> messages;
  v1::ExecuteRequest execute;
  *execute.mutable_statement() = Statement();
  *execute.mutable_options() = Options();
  execute.mutable_transaction()->set_isolation(v1::TransactionOptions::REPEATABLE_READ);
  messages["Execute"] = messages["ExecuteStream"] = {execute.SerializeAsString()};
  v1::ExecuteBatchRequest batch;
  *batch.add_statements() = Statement();
  *batch.add_statements() = Statement();
  *batch.mutable_options() = Options();
  messages["ExecuteBatch"] = {batch.SerializeAsString()};
  v1::DescribeRequest describe;
  *describe.mutable_statement() = Statement();
  describe.set_plan(true);
  messages["Describe"] = {describe.SerializeAsString()};
  v1::CopyOutRequest out;
  *out.mutable_query() = Statement();
  out.mutable_format()->set_kind(v1::CopyFormat::CSV);
  messages["CopyOut"] = {out.SerializeAsString()};
  v1::CopyInRequest header, rows;
  header.mutable_header()->mutable_table()->set_table("hostile");
  header.mutable_header()->add_kinds(v1::COLUMN_KIND_INT32);
  header.mutable_header()->add_kinds(v1::COLUMN_KIND_TEXT);
  rows.mutable_rows()->set_row_count(2);
  v1::ColumnData* numbers = rows.mutable_rows()->add_columns();
  numbers->add_int32s(1);
  numbers->add_int32s(2);
  v1::ColumnData* texts = rows.mutable_rows()->add_columns();
  texts->add_texts("one");
  texts->add_texts("two");
  messages["CopyIn"] = {header.SerializeAsString(), rows.SerializeAsString()};
  v1::TransactRequest begin, step;
  *begin.mutable_begin()->mutable_options() = Options();
  *step.mutable_statement() = Statement();
  step.set_sequence(7);
  step.set_then_commit(true);
  messages["Transact"] = {begin.SerializeAsString(), step.SerializeAsString()};
  v1::ListenRequest listen;
  listen.add_channels("jobs");
  messages["Listen"] = {listen.SerializeAsString()};
  messages["Ping"] = {""};
  return messages;
}

TEST_F(HostileWireTest, MutilatedRequestsAreAnswered) {
  Direct().Run("DROP TABLE IF EXISTS hostile; CREATE TABLE hostile (n int, t text)");
  constexpr int kRounds = 400;
  int refused = 0;
  for (const auto& [method, messages] : GoodMessages()) {
    for (int round = 0; round < kRounds; ++round) {
      std::vector<std::string> wounded = messages;
      std::string& victim = wounded[Pick(0, static_cast<int>(wounded.size()) - 1)];
      victim = Mutilated(victim);
      const grpc::Status status = Call(method, wounded);
      // UNAVAILABLE would be a gateway that is gone, INTERNAL one that is at a loss, and DEADLINE_EXCEEDED one that
      // waits.
      EXPECT_NE(status.error_code(), grpc::StatusCode::UNAVAILABLE) << method << round << status.error_message();
      EXPECT_NE(status.error_code(), grpc::StatusCode::INTERNAL) << method << round << status.error_message();
      EXPECT_NE(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << method << round << status.error_message();
      if (!status.ok()) ++refused;
    }
  }
  EXPECT_GT(refused, kRounds);
  EXPECT_TRUE(gateway_->process().IsRunning());
}

// Behind the preface that HTTP/2 begins with: frames of any kind and length, on any stream.
TEST_F(HostileWireTest, FramesOfAnyKindEndTheirConnectionOnly) {
  for (int round = 0; round < 200; ++round) {
    std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const int frames = Pick(1, 30);
    for (int i = 0; i < frames; ++i) {
      const int length = Pick(0, 4) == 0 ? Pick(0, 70000) : Pick(0, 40);
      for (const int byte : {length >> 16, length >> 8, length, Pick(0, 12), Pick(0, 255), 0, 0, 0, Pick(0, 9)}) {
        bytes += static_cast<char>(byte);
      }
      // Shorter than it says, now and then.
      for (int left = Pick(0, 3) == 0 ? Pick(0, length) : length; left > 0; --left) {
        bytes += static_cast<char>(Pick(0, 255));
      }
    }
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::string(absl::StripPrefix(gateway_->address(), "unix:")).copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    // It may have had enough before that.
    (void)send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(fd, SHUT_WR);
    char buffer[4096];
    while (read(fd, buffer, sizeof(buffer)) > 0) continue;
    close(fd);
  }
  EXPECT_TRUE(gateway_->process().IsRunning());
}

}  // namespace
}  // namespace sluice
