#include "tests/benchmark/peers.h"

#include <grpcpp/create_channel.h>
#include <libpq-fe.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/support/postgres_server.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace sluice::benchmark {
namespace {

using testing_support::Process;

struct Span {
  absl::Time begin = absl::InfiniteFuture();
  absl::Time end = absl::InfinitePast();
};

// pgbench's log: client, number, latency in microseconds, script, and the second and microsecond
// of the end.
void ReadLog(const std::string& path, Tally* tally, Span* span) {
  std::istringstream log(testing_support::ReadFile(path));
  for (std::string line; std::getline(log, line);) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    int64_t latency_us = 0, seconds = 0, us = 0;
    if (fields.size() < 6 || !absl::SimpleAtoi(fields[2], &latency_us)) continue;
    if (!absl::SimpleAtoi(fields[4], &seconds) || !absl::SimpleAtoi(fields[5], &us)) continue;
    tally->Add(absl::Microseconds(latency_us));
    const absl::Time end = absl::FromUnixSeconds(seconds) + absl::Microseconds(us);
    span->begin = std::min(span->begin, end - absl::Microseconds(latency_us));
    span->end = std::max(span->end, end);
  }
}

PGconn* Connect(const Server& server) {
  return PQconnectdb(
      absl::StrCat("host=", server.directory, " port=", server.port, " user=postgres dbname=postgres").c_str());
}

absl::Duration TimeToConnect(const Server& server) {
  const absl::Time begin = absl::Now();
  PQfinish(Connect(server));
  return absl::Now() - begin;
}

// One empty call after the other.
class EmptyCaller {
 public:
  EmptyCaller(grpc::health::v1::Health::Stub* stub, absl::Time end, Tally* tally, absl::BlockingCounter* done)
      : stub_(*stub), end_(end), tally_(*tally), done_(*done) {
    request_.set_service("liveness");
  }

  void Call() {
    context_ = std::make_unique<grpc::ClientContext>();
    begin_ = absl::Now();
    stub_.async()->Check(context_.get(), &request_, &response_, [this](const grpc::Status& status) {
      status.ok() ? tally_.Add(absl::Now() - begin_) : tally_.Fail(status.error_message());
      if (absl::Now() < end_) return Call();
      done_.DecrementCount();
    });
  }

 private:
  grpc::health::v1::Health::Stub& stub_;
  const absl::Time end_;
  Tally& tally_;
  absl::BlockingCounter& done_;
  grpc::health::v1::HealthCheckRequest request_;
  grpc::health::v1::HealthCheckResponse response_;
  std::unique_ptr<grpc::ClientContext> context_;
  absl::Time begin_;
};

}  // namespace

Measurement MeasurePgbench(const Server& server, const Workload& workload, int clients, absl::Duration length) {
  const testing_support::TempDir directory;
  const std::string script =
      directory.Write("script.sql", absl::StrCat("\\set id random(1, ", kAccounts, ")\n", workload.pgbench_script));
  const int threads = std::min(clients, 2);
  // Its time begins before it connects, one client after the other, which is no part of the work.
  const absl::Duration connecting = 1.5 * TimeToConnect(server) * clients / threads;
  Process::Options options;
  options.command = {testing_support::PostgresProgram("pgbench"),
                     "--no-vacuum",
                     "--protocol=simple",
                     "--log",
                     "--log-prefix=" + directory.File("log"),
                     "--file=" + script,
                     absl::StrCat("--client=", clients),
                     absl::StrCat("--jobs=", threads),
                     absl::StrCat("--time=", absl::ToInt64Seconds(absl::Ceil(length + connecting, absl::Seconds(1)))),
                     "--host=" + server.directory,
                     absl::StrCat("--port=", server.port),
                     "--username=postgres",
                     "postgres"};
  options.environment = {{"PGOPTIONS", ""}};
  options.output_path = directory.File("output");
  Process pgbench(options);
  const int exit_code = pgbench.Wait();
  Tally tally;
  Span span;
  for (const char* thread : {"", ".1"}) {
    ReadLog(absl::StrCat(directory.File("log"), ".", pgbench.pid(), thread), &tally, &span);
  }
  if (exit_code != 0) {
    const std::string output = testing_support::ReadFile(options.output_path);
    const size_t error = output.find("error:");
    tally.Fail(error == std::string::npos ? output : output.substr(error, output.find('\n', error) - error));
  }
  if (span.end < span.begin) tally.Fail("pgbench ran nothing");
  return tally.Sum(span.end - span.begin);
}

Measurement MeasureLibpq(const Server& server, const std::string& sql, absl::Duration length) {
  PGconn* connection = Connect(server);
  Tally tally;
  const absl::Duration cpu_before = CpuTimeOfThread();
  const absl::Time begin = absl::Now();
  while (absl::Now() < begin + length) {
    const absl::Time call = absl::Now();
    PGresult* result = PQexec(connection, sql.c_str());
    PQresultStatus(result) == PGRES_TUPLES_OK ? tally.Add(absl::Now() - call) : tally.Fail(PQerrorMessage(connection));
    PQclear(result);
  }
  PQfinish(connection);
  Measurement measured = tally.Sum(absl::Now() - begin);
  if (measured.calls > 0) measured.cpu_per_call = (CpuTimeOfThread() - cpu_before) / measured.calls;
  return measured;
}

std::optional<Measurement> MeasureAsyncpg(const Server& server, const Workload& workload, int callers,
                                          absl::Duration length) {
  if (workload.asyncpg_sql == nullptr) return std::nullopt;
  const testing_support::TempDir directory;
  Process::Options options;
  options.command = {"/usr/bin/python3",
                     "tests/benchmark/asyncpg_peer.py",
                     server.directory,
                     absl::StrCat(server.port),
                     workload.asyncpg_sql,
                     absl::StrCat(callers),
                     absl::StrCat(absl::ToInt64Seconds(length)),
                     directory.File("latencies")};
  options.output_path = directory.File("output");
  Process peer(options);
  if (peer.Wait() != 0) return std::nullopt;
  Tally tally;
  std::istringstream lines(testing_support::ReadFile(directory.File("latencies")));
  for (std::string line; std::getline(lines, line);) {
    int64_t latency_us = 0;
    absl::SimpleAtoi(line, &latency_us) ? tally.Add(absl::Microseconds(latency_us)) : tally.Fail(line);
  }
  return tally.Sum(length);
}

Measurement MeasureEmptyCall(const std::string& target, int callers, absl::Duration length, pid_t server) {
  const auto stub = grpc::health::v1::Health::NewStub(grpc::CreateChannel(target, grpc::InsecureChannelCredentials()));
  Tally tally;
  absl::BlockingCounter done(callers);
  const absl::Duration cpu_before = CpuTime(server);
  const absl::Time begin = absl::Now();
  std::vector<std::unique_ptr<EmptyCaller>> all;
  for (int i = 0; i < callers; ++i) {
    all.push_back(std::make_unique<EmptyCaller>(stub.get(), begin + length, &tally, &done));
  }
  for (auto& caller : all) caller->Call();
  done.Wait();
  Measurement measured = tally.Sum(absl::Now() - begin);
  if (measured.calls > 0) measured.cpu_per_call = (CpuTime(server) - cpu_before) / measured.calls;
  return measured;
}

}  // namespace sluice::benchmark
