// Ten times more calls than the database can do, for a while: what becomes of whom.
//   bazel run //tests/benchmark:overload -- [seconds, 60 if not given]
// Four connections, statements of 10 ms: 400 calls a second can be done. One caller asks for 4,000 a second, without
// waiting for answers, a tenth of them with high and a tenth with low priority; another one has two calls in progress
// at all times. The Line takes 1,000 calls, 500 of one caller.

#include <grpcpp/create_channel.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/mutex.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/support/gateway.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

namespace sluice {
namespace {

constexpr char kCallers[] = R"({"callers": [
  {"name": "greedy", "permissions": ["sql"],
   "token_sha256": "afce6be4f36b15f626380e3d5f54f900a890b1ea948e57e5caeedb92518fd8a3"},
  {"name": "modest", "permissions": ["sql"],
   "token_sha256": "2a452e8b11c316f97c818d315f7a13c3d6b6181539de65fb79c154e7d9c9fa2d"}]})";
constexpr char kWork[] = "SELECT pg_sleep(0.01)";

// How calls of one kind ended.
class Ends {
 public:
  void Note(const grpc::Status& status, absl::Duration took) {
    MutexLock lock(&mu_);
    if (status.ok()) return served_.push_back(took);
    if (absl::StrContains(status.error_details(), "GATEWAY_OVERLOADED")) {
      if (absl::StrContains(status.error_details(), "RetryInfo")) ++with_retry_info_;
      return refused_.push_back(took);
    }
    ++otherwise_;
    last_ = status.error_message();
  }

  void Print(const std::string& kind, double seconds) {
    MutexLock lock(&mu_);
    std::printf("| %s | %.0f | %s | %s | %.0f | %s | %s | %zu |%s\n", kind.c_str(),
                static_cast<double>(served_.size()) / seconds, Percentile(&served_, 0.5).c_str(),
                Percentile(&served_, 0.99).c_str(), static_cast<double>(refused_.size()) / seconds,
                Percentile(&refused_, 0.5).c_str(), Percentile(&refused_, 0.99).c_str(), otherwise_,
                refused_.size() == with_retry_info_ ? "" : " SOME WITHOUT RetryInfo");
    if (otherwise_ > 0) std::printf("(the last of those: %s)\n", last_.c_str());
  }

 private:
  static std::string Percentile(std::vector<absl::Duration>* times, double share) {
    if (times->empty()) return "";
    std::sort(times->begin(), times->end());
    const auto at = static_cast<size_t>(share * static_cast<double>(times->size() - 1));
    return absl::StrCat(absl::ToInt64Microseconds((*times)[at]) / 1000.0);
  }

  Mutex mu_;
  std::vector<absl::Duration> served_ ABSL_GUARDED_BY(mu_), refused_ ABSL_GUARDED_BY(mu_);
  size_t with_retry_info_ ABSL_GUARDED_BY(mu_) = 0;
  size_t otherwise_ ABSL_GUARDED_BY(mu_) = 0;
  std::string last_ ABSL_GUARDED_BY(mu_);
};

struct OneCall {
  grpc::ClientContext context;
  v1::ExecuteResponse response;
  grpc::Status status;
  absl::Time begin = absl::Now();
  Ends* ends = nullptr;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::ExecuteResponse>> reader;
};

class Caller {
 public:
  Caller(const std::string& address, std::string token)
      : stub_(v1::Database::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        authorization_("Bearer " + std::move(token)) {}

  void Begin(v1::Priority priority, Ends* ends, grpc::CompletionQueue* queue) const {
    auto* call = new OneCall;
    Prepare(&call->context);
    call->ends = ends;
    v1::ExecuteRequest request = Request();
    request.mutable_options()->set_priority(priority);
    call->reader = stub_->AsyncExecute(&call->context, request, queue);
    call->reader->Finish(&call->response, &call->status, call);
  }
  grpc::Status Call(absl::Duration* took) const {
    grpc::ClientContext context;
    Prepare(&context);
    v1::ExecuteResponse response;
    const absl::Time begin = absl::Now();
    const grpc::Status status = stub_->Execute(&context, Request(), &response);
    *took = absl::Now() - begin;
    return status;
  }

 private:
  static v1::ExecuteRequest Request() {
    v1::ExecuteRequest request;
    request.mutable_statement()->set_sql(kWork);
    // Otherwise all that wait are one statement, and there is no overload.
    request.mutable_options()->set_alone(true);
    return request;
  }
  void Prepare(grpc::ClientContext* context) const {
    context->set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    context->AddMetadata("authorization", authorization_);
  }

  const std::unique_ptr<v1::Database::Stub> stub_;
  const std::string authorization_;
};

int64_t ResidentMiB(pid_t pid) { return testing_support::StatusOfProcess(pid, "VmRSS") >> 10; }

// Calls at a pace, whatever becomes of those before.
void AskTooMuch(const Caller& caller, absl::Time until, std::map<v1::Priority, Ends>* ends,
                grpc::CompletionQueue* queue) {
  constexpr absl::Duration kPace = absl::Microseconds(250);
  absl::Time next = absl::Now();
  for (int i = 0; next < until; ++i, next += kPace) {
    if (const absl::Time now = absl::Now(); next > now) absl::SleepFor(next - now);
    const v1::Priority priority = i % 10 == 0   ? v1::PRIORITY_HIGH
                                  : i % 10 == 1 ? v1::PRIORITY_LOW
                                                : v1::PRIORITY_NORMAL;
    caller.Begin(priority, &(*ends)[priority], queue);
  }
}

void CallModestly(const Caller& caller, absl::Time until, Ends* ends) {
  while (absl::Now() < until) {
    absl::Duration took;
    const grpc::Status status = caller.Call(&took);
    ends->Note(status, took);
  }
}

void Run(int seconds) {
  const testing_support::PostgresServer postgres;
  const testing_support::PgBouncer pgbouncer(postgres, testing_support::PgBouncer::Options());
  testing_support::TempDir directory;
  const std::string callers = directory.Write("callers.json", kCallers);
  testing_support::Gateway gateway(
      pgbouncer.Url(), {"--pool_size=4", "--pool_warm=4", "--line_length_max=1000", "--callers_file=" + callers});
  const Caller greedy(gateway.address(), "greedy-token"), modest(gateway.address(), "modest-token");
  const pid_t pid = gateway.process().pid();

  std::printf("| caller | served/s | p50 ms | p99 ms | refused/s | p50 ms | p99 ms | otherwise |\n");
  std::printf("|---|---:|---:|---:|---:|---:|---:|---:|\n");
  Ends before;
  CallModestly(modest, absl::Now() + absl::Seconds(3), &before);
  before.Print("modest, alone", 3);

  const int64_t memory_before = ResidentMiB(pid);
  std::map<v1::Priority, Ends> of_greedy;
  for (const v1::Priority priority : {v1::PRIORITY_HIGH, v1::PRIORITY_NORMAL, v1::PRIORITY_LOW}) of_greedy[priority];
  Ends of_modest;
  grpc::CompletionQueue queue;
  const absl::Time until = absl::Now() + absl::Seconds(seconds);
  std::thread takes([&queue] {
    void* tag = nullptr;
    bool ok = false;
    while (queue.Next(&tag, &ok)) {
      const std::unique_ptr<OneCall> call(static_cast<OneCall*>(tag));
      call->ends->Note(call->status, absl::Now() - call->begin);
    }
  });
  std::thread asks([&] { AskTooMuch(greedy, until, &of_greedy, &queue); });
  std::vector<std::thread> modestly;
  for (int i = 0; i < 2; ++i) modestly.emplace_back([&] { CallModestly(modest, until, &of_modest); });
  asks.join();
  const int64_t memory_after = ResidentMiB(pid);
  for (std::thread& thread : modestly) thread.join();

  // The greedy one stops; how long until a call takes as long as ever? Its own come behind what it has asked for.
  const absl::Time stopped = absl::Now();
  const auto recovery_of = [stopped](const Caller& caller) {
    for (absl::Duration took = absl::InfiniteDuration(); took > absl::Milliseconds(15);) (void)caller.Call(&took);
    return absl::ToDoubleSeconds(absl::Now() - stopped);
  };
  const double of_the_modest = recovery_of(modest), of_the_greedy = recovery_of(greedy);
  queue.Shutdown();
  takes.join();
  of_modest.Print("modest", seconds);
  of_greedy[v1::PRIORITY_HIGH].Print("greedy, high priority", seconds);
  of_greedy[v1::PRIORITY_NORMAL].Print("greedy, normal", seconds);
  of_greedy[v1::PRIORITY_LOW].Print("greedy, low", seconds);
  std::printf(
      "\nthe gateway: %ld MiB before, %ld at the end; after it a call took as long as ever within %.2f s for the "
      "modest one, %.2f s for the greedy one\n",
      static_cast<long>(memory_before), static_cast<long>(memory_after), of_the_modest, of_the_greedy);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  int seconds = 60;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &seconds) || seconds < 1))) {
    std::fprintf(stderr, "usage: overload [seconds]\n");
    return 2;
  }
  sluice::Run(seconds);
}
