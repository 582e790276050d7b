// Traces: where a sampled call's caller finds it again.

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/mutex.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::Gateway;

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpan[] = "00f067aa0ba902b7";

std::string Traceparent(bool sampled) { return absl::StrCat("00-", kTrace, "-", kSpan, sampled ? "-01" : "-00"); }

class TraceTest : public ConformanceTest {
 protected:
  // A statement with a traceparent; its rows' first value as text, or what went wrong.
  static std::string Execute(const Gateway& gateway, const std::string& sql, const std::string& traceparent) {
    const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway.address(), grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    if (!traceparent.empty()) context.AddMetadata("traceparent", traceparent);
    v1::ExecuteRequest request;
    request.mutable_statement()->set_sql(sql);
    v1::ExecuteResponse response;
    const grpc::Status status = stub->Execute(&context, request, &response);
    if (!status.ok()) return status.error_message();
    const v1::RowBatch& rows = response.result().rows();
    return rows.columns_size() > 0 && rows.columns(0).texts_size() > 0 ? rows.columns(0).texts(0) : "";
  }
};

// Whether it was built with OpenTelemetry; one that was not says so, and is right to.
bool CanExport() {
  const testing_support::TempDir directory;
  testing_support::Process::Options probe;
  probe.command = {testing_support::SluicedPath(),
                   "--otlp_endpoint=http://127.0.0.1:1",
                   "--listen=unix:" + directory.File("probe"),
                   "--admin_listen=off",
                   "--admin_grpc_listen=off",
                   "--port_file=/nonexistent/port"};
  probe.output_path = directory.File("log");
  probe.environment = {{"DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none"}};
  if (testing_support::Process(probe).Wait() != 78) return true;
  EXPECT_TRUE(absl::StrContains(testing_support::ReadFile(probe.output_path), "built without OpenTelemetry"));
  return false;
}

// Of itself, as PostgreSQL got it.
constexpr char kOwnText[] = "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()";

TEST_F(TraceTest, ASampledCallsStatementsCarryItsSpan) {
  const Gateway gateway(postgres_->Url(), {"--log_format=json"});
  const std::string seen = Execute(gateway, kOwnText, Traceparent(true));
  const std::string prefix = absl::StrCat("/*traceparent='00-", kTrace, "-");
  ASSERT_TRUE(absl::StrContains(seen, prefix)) << seen;
  // A span of the gateway's own, and not its caller's.
  EXPECT_FALSE(absl::StrContains(seen, kSpan)) << seen;
  EXPECT_FALSE(absl::StrContains(Execute(gateway, kOwnText, Traceparent(false)), "traceparent"));
  EXPECT_FALSE(absl::StrContains(Execute(gateway, kOwnText, ""), "traceparent"));
  EXPECT_FALSE(absl::StrContains(Execute(gateway, kOwnText, "00-*/; DROP TABLE x; --"), "traceparent"));
  // Also behind a comment that hides what follows on its line.
  EXPECT_TRUE(absl::StrContains(Execute(gateway, absl::StrCat(kOwnText, " -- why"), Traceparent(true)), prefix));
}

TEST_F(TraceTest, TheLogNamesTheTraceOfACallThatFailed) {
  const Gateway gateway(postgres_->Url(), {"--log_format=json"});
  (void)Execute(gateway, "SELECT 1 / 0", Traceparent(false));
  EXPECT_TRUE(gateway.Logs(absl::StrCat("\"trace_id\":\"", kTrace, "\""))) << gateway.log();
}

// Takes whatever is sent to it, as bytes.
class Collector : public grpc::CallbackGenericService {
 public:
  Collector() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
    endpoint_ = absl::StrCat("http://127.0.0.1:", port);
  }
  const std::string& endpoint() const { return endpoint_; }
  bool Has(const std::string& bytes) {
    MutexLock lock(&mu_);
    return absl::StrContains(received_, bytes);
  }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* /*context*/) override {
    class Reactor : public grpc::ServerGenericBidiReactor {
     public:
      explicit Reactor(Collector* collector) : collector_(*collector) { StartRead(&request_); }
      void OnReadDone(bool ok) override {
        if (!ok) return Finish(grpc::Status::OK);
        grpc::Slice slice;
        (void)request_.DumpToSingleSlice(&slice);
        {
          MutexLock lock(&collector_.mu_);
          collector_.received_.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
        }
        // An answer without fields.
        StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
      }
      void OnDone() override { delete this; }

     private:
      Collector& collector_;
      grpc::ByteBuffer request_;
      grpc::Slice nothing_;
      grpc::ByteBuffer response_{&nothing_, 1};
    };
    return new Reactor(this);
  }

 private:
  Mutex mu_;
  std::string received_ ABSL_GUARDED_BY(mu_);
  std::string endpoint_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(TraceTest, ACollectorGetsTheWaitTheFlightAndEachStatement) {
  Collector collector;
  if (!CanExport()) return;
  const Gateway gateway(postgres_->Url(), {"--otlp_endpoint=" + collector.endpoint(), "--log_format=json"});
  (void)Execute(gateway, "SELECT 4711 AS traced", Traceparent(true));
  (void)Execute(gateway, "SELECT 4711 AS unsampled", Traceparent(false));
  (void)Execute(gateway, "SELECT 1 / 0", Traceparent(true));
  for (const std::string& part :
       {std::string("sluice.v1.Database/Execute"), std::string("wait for a connection"), std::string("flight"),
        std::string("select ? as traced"), absl::HexStringToBytes(kTrace), absl::HexStringToBytes(kSpan),
        std::string("DIVISION_BY_ZERO"), std::string("22012")}) {
    EXPECT_TRUE(Eventually([&] { return collector.Has(part); })) << absl::CHexEscape(part);
  }
  // No value, and nobody's call who did not ask for it.
  EXPECT_FALSE(collector.Has("4711"));
  EXPECT_FALSE(collector.Has("unsampled"));
}

TEST_F(TraceTest, ACollectorThatIsAwayHoldsNobodyUpAndIsInTheLog) {
  if (!CanExport()) return;
  const Gateway gateway(postgres_->Url(), {"--otlp_endpoint=http://127.0.0.1:1", "--log_format=json"});
  EXPECT_EQ(Execute(gateway, "SELECT 'served'", Traceparent(true)), "served");
  EXPECT_TRUE(gateway.Logs("\"event\":\"spans_not_sent\"")) << gateway.log();
}

}  // namespace
}  // namespace sluice
