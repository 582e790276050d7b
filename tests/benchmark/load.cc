#include "tests/benchmark/load.h"

#include <grpcpp/create_channel.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/support/temp_dir.h"

namespace sluice::benchmark {
namespace {

constexpr char kSql[] = "SELECT 1";

// User and system time of a process so far.
absl::Duration CpuTime(pid_t process) {
  const std::string stat = testing_support::ReadFile(absl::StrCat("/proc/", process, "/stat"));
  // Behind the name, which is in brackets and may hold anything.
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(stat.rfind(')') + 2), ' ');
  int64_t user = 0, system = 0;
  if (fields.size() < 13 || !absl::SimpleAtoi(fields[11], &user) || !absl::SimpleAtoi(fields[12], &system)) return {};
  return absl::Seconds(static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK)));
}

// Latencies and failures of many callers.
class Tally {
 public:
  void Add(absl::Duration latency) {
    std::lock_guard<std::mutex> lock(mu_);
    latencies_.push_back(latency);
  }
  void Fail(const std::string& why) {
    std::lock_guard<std::mutex> lock(mu_);
    if (failures_++ == 0) first_failure_ = why;
  }
  Measurement Sum(absl::Duration elapsed) {
    std::lock_guard<std::mutex> lock(mu_);
    Measurement sum;
    sum.calls = static_cast<int64_t>(latencies_.size());
    sum.failures = failures_;
    sum.first_failure = first_failure_;
    sum.elapsed = elapsed;
    std::sort(latencies_.begin(), latencies_.end());
    if (!latencies_.empty()) {
      sum.p50 = latencies_[latencies_.size() / 2];
      sum.p99 = latencies_[latencies_.size() * 99 / 100];
    }
    return sum;
  }

 private:
  std::mutex mu_;
  std::vector<absl::Duration> latencies_;
  int64_t failures_ = 0;
  std::string first_failure_;
};

// One call after the other until the end.
class Caller {
 public:
  Caller(v1::Database::Stub* stub, const std::string& sql, absl::Time end, Tally* tally, absl::BlockingCounter* done)
      : stub_(*stub), end_(end), tally_(*tally), done_(*done) {
    request_.mutable_statement()->set_sql(sql);
  }

  void Call() {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
    begin_ = absl::Now();
    stub_.async()->Execute(context_.get(), &request_, &response_,
                           [this](const grpc::Status& status) { OnDone(status); });
  }

 private:
  void OnDone(const grpc::Status& status) {
    if (!status.ok()) {
      tally_.Fail(status.error_message());
    } else if (response_.result().rows().row_count() != 1) {
      tally_.Fail("not one row");
    } else {
      tally_.Add(absl::Now() - begin_);
    }
    if (absl::Now() < end_) return Call();
    done_.DecrementCount();
  }

  v1::Database::Stub& stub_;
  const absl::Time end_;
  Tally& tally_;
  absl::BlockingCounter& done_;
  v1::ExecuteRequest request_;
  v1::ExecuteResponse response_;
  std::unique_ptr<grpc::ClientContext> context_;
  absl::Time begin_;
};

Measurement RunCallers(const std::string& target, const std::string& sql, int callers, absl::Duration length) {
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(target, grpc::InsecureChannelCredentials()));
  Tally tally;
  absl::BlockingCounter done(callers);
  const absl::Time begin = absl::Now();
  std::vector<std::unique_ptr<Caller>> all;
  for (int i = 0; i < callers; ++i) {
    all.push_back(std::make_unique<Caller>(stub.get(), sql, begin + length, &tally, &done));
  }
  for (auto& caller : all) caller->Call();
  done.Wait();
  return tally.Sum(absl::Now() - begin);
}

}  // namespace

Measurement MeasureGateway(const std::string& target, int callers, absl::Duration length, pid_t server) {
  RunCallers(target, kSql, callers, absl::Milliseconds(300));  // warms up
  const absl::Duration cpu_before = CpuTime(server);
  Measurement measured = RunCallers(target, kSql, callers, length);
  if (measured.calls > 0) measured.server_cpu_per_call = (CpuTime(server) - cpu_before) / measured.calls;
  return measured;
}

Measurement MeasureLibpq(const std::string& connection_string, absl::Duration length) {
  PGconn* connection = PQconnectdb(connection_string.c_str());
  Tally tally;
  const absl::Time begin = absl::Now();
  while (absl::Now() < begin + length) {
    const absl::Time call = absl::Now();
    PGresult* result = PQexec(connection, kSql);
    PQresultStatus(result) == PGRES_TUPLES_OK ? tally.Add(absl::Now() - call) : tally.Fail(PQerrorMessage(connection));
    PQclear(result);
  }
  PQfinish(connection);
  return tally.Sum(absl::Now() - begin);
}

Measurement Burst(const std::string& target, int calls, const std::string& sql) {
  return RunCallers(target, sql, calls, absl::ZeroDuration());
}

}  // namespace sluice::benchmark
