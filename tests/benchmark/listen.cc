// Ten thousand subscribers over one connection to PostgreSQL: does each get every notification of its channel, in
// order, and how late?
//   bazel run --config=bench //tests/benchmark:listen -- [subscribers]
// The subscribers are in this program, on ten HTTP/2 connections; the delay is from just before pg_notify is sent until
// a subscriber has it.

#include <grpcpp/create_channel.h>
#include <grpcpp/support/client_callback.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "server/base/mutex.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/benchmark/tally.h"
#include "tests/support/direct.h"
#include "tests/support/gateway.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

namespace sluice::benchmark {
namespace {

// What all subscribers have heard.
class Heard {
 public:
  void AddReady() {
    MutexLock lock(&mu_);
    ++ready_;
    changed_.NotifyAll();
  }
  void Add(absl::Duration delay) {
    MutexLock lock(&mu_);
    delays_.push_back(delay);
    changed_.NotifyAll();
  }
  void AddFault(const std::string& what) {
    MutexLock lock(&mu_);
    if (faults_++ == 0) first_fault_ = what;
    changed_.NotifyAll();
  }

  bool AwaitReady(int64_t count, absl::Time until) {
    MutexLock lock(&mu_);
    while (ready_ < count && faults_ == 0 && absl::Now() < until) changed_.WaitUntil(&mu_, until);
    return ready_ >= count;
  }
  // All of `count`, or as many as come until then; and forgets them.
  std::vector<absl::Duration> Await(int64_t count, absl::Time until) {
    MutexLock lock(&mu_);
    while (static_cast<int64_t>(delays_.size()) < count && absl::Now() < until) changed_.WaitUntil(&mu_, until);
    std::vector<absl::Duration> delays;
    delays.swap(delays_);
    return delays;
  }
  std::pair<int64_t, std::string> faults() {
    MutexLock lock(&mu_);
    return {faults_, first_fault_};
  }

 private:
  Mutex mu_;
  CondVar changed_;
  int64_t ready_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t faults_ ABSL_GUARDED_BY(mu_) = 0;
  std::string first_fault_ ABSL_GUARDED_BY(mu_);
  std::vector<absl::Duration> delays_ ABSL_GUARDED_BY(mu_);
};

// Notifications are "sequence nanoseconds".
class Subscriber : public grpc::ClientReadReactor<v1::ListenResponse> {
 public:
  Subscriber(v1::Database::Stub* stub, const std::string& channel, Heard* heard) : heard_(*heard) {
    request_.add_channels(channel);
    stub->async()->Listen(&context_, &request_, this);
    StartRead(&event_);
    StartCall();
  }
  void Cancel() { context_.TryCancel(); }
  void AwaitEnd() {
    MutexLock lock(&mu_);
    while (!done_) ended_.Wait(&mu_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (event_.has_ready()) heard_.AddReady();
    if (event_.has_gap()) heard_.AddFault("a gap");
    if (event_.has_notification()) Take(event_.notification().payload());
    StartRead(&event_);
  }
  void OnDone(const grpc::Status& status) override {
    if (status.error_code() != grpc::StatusCode::CANCELLED) heard_.AddFault(status.error_message());
    MutexLock lock(&mu_);
    done_ = true;
    ended_.NotifyAll();
  }

 private:
  void Take(const std::string& payload) {
    const std::vector<std::string> parts = absl::StrSplit(payload, ' ');
    int64_t sequence = 0, sent_ns = 0;
    if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &sequence) || !absl::SimpleAtoi(parts[1], &sent_ns)) {
      return heard_.AddFault(payload);
    }
    if (sequence != ++last_) heard_.AddFault(absl::StrCat(sequence, " instead of ", last_));
    heard_.Add(absl::Now() - absl::FromUnixNanos(sent_ns));
  }

  Heard& heard_;
  v1::ListenRequest request_;
  grpc::ClientContext context_;
  v1::ListenResponse event_;
  int64_t last_ = 0;
  Mutex mu_;
  CondVar ended_;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
};

double Milliseconds(std::vector<absl::Duration>* sorted, double part) {
  if (sorted->empty()) return 0;
  const auto place = static_cast<size_t>(part * static_cast<double>(sorted->size() - 1));
  return absl::ToDoubleMilliseconds((*sorted)[place]);
}

// `subscribers` on `channels`, which are notified in turn, `notifications` in all, one each `pause`.
void Run(testing_support::Gateway* gateway, testing_support::Direct* publisher, int subscribers, int channels,
         int notifications, absl::Duration pause) {
  Heard heard;
  std::vector<std::unique_ptr<v1::Database::Stub>> stubs;
  for (int i = 0; i < 10; ++i) {
    grpc::ChannelArguments own;
    own.SetInt("connection_of_its_own", i);
    stubs.push_back(
        v1::Database::NewStub(grpc::CreateCustomChannel(gateway->address(), grpc::InsecureChannelCredentials(), own)));
  }
  std::vector<std::unique_ptr<Subscriber>> all;
  const auto channel = [&](int i) { return absl::StrCat("c", channels, "_", i % channels); };
  for (int i = 0; i < subscribers; ++i) {
    all.push_back(std::make_unique<Subscriber>(stubs[i % 10].get(), channel(i), &heard));
  }
  if (!heard.AwaitReady(subscribers, absl::Now() + absl::Seconds(60))) {
    std::printf("not all are ready: %s\n", heard.faults().second.c_str());
  }

  const absl::Duration cpu_before = CpuTime(gateway->process().pid());
  const absl::Time begin = absl::Now();
  for (int i = 0; i < notifications; ++i) {
    const absl::Time due = begin + pause * i;
    if (absl::Now() < due) absl::SleepFor(due - absl::Now());
    publisher->Run(absl::StrCat("SELECT pg_notify('", channel(i), "', '", i / channels + 1, " ",
                                absl::ToUnixNanos(absl::Now()), "')"));
  }
  const int64_t expected = int64_t{subscribers} / channels * notifications;
  std::vector<absl::Duration> delays = heard.Await(expected, absl::Now() + absl::Seconds(60));
  const absl::Duration elapsed = absl::Now() - begin;
  const absl::Duration cpu = CpuTime(gateway->process().pid()) - cpu_before;
  std::sort(delays.begin(), delays.end());
  const auto [faults, first_fault] = heard.faults();
  std::printf("| %d | %d | %d | %lld of %lld | %lld | %.0f | %.1f | %.1f | %.1f | %.1f | %.1f |\n", subscribers,
              channels, notifications, static_cast<long long>(delays.size()), static_cast<long long>(expected),
              static_cast<long long>(faults), static_cast<double>(delays.size()) / absl::ToDoubleSeconds(elapsed),
              Milliseconds(&delays, 0.5), Milliseconds(&delays, 0.9), Milliseconds(&delays, 0.99),
              Milliseconds(&delays, 1), absl::ToDoubleMicroseconds(cpu) / static_cast<double>(delays.size()));
  if (faults > 0) std::printf("first fault: %s\n", first_fault.c_str());
  std::fflush(stdout);
  for (const auto& subscriber : all) subscriber->Cancel();
  for (const auto& subscriber : all) subscriber->AwaitEnd();
}

void Main(int subscribers) {
  const testing_support::PostgresServer postgres;
  const testing_support::PgBouncer pgbouncer(postgres, testing_support::PgBouncer::Options());
  testing_support::Gateway gateway(pgbouncer.Url(), {"--listen_url=" + postgres.Url()});
  testing_support::Direct publisher(postgres.ConnectionString());
  std::printf(
      "| subscribers | channels | notifications | delivered | faults | delivered/s | p50 ms | p90 ms | p99 ms | max ms "
      "| gateway's CPU us |\n");
  std::printf("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
  // Each its own; a hundred to a channel; all on one.
  Run(&gateway, &publisher, subscribers, subscribers, subscribers, absl::Milliseconds(1));
  Run(&gateway, &publisher, subscribers, 100, 1000, absl::Milliseconds(10));
  Run(&gateway, &publisher, subscribers, 1, 20, absl::Milliseconds(500));
  std::printf(
      "connections that listen: %s\n",
      publisher.Value("SELECT count(*) FROM pg_stat_activity WHERE query ~ '^(LISTEN|UNLISTEN|NOTIFY)'").c_str());
}

}  // namespace
}  // namespace sluice::benchmark

int main(int argc, char** argv) {
  int subscribers = 10000;
  if (argc > 1 && (!absl::SimpleAtoi(argv[1], &subscribers) || subscribers < 100 || subscribers % 100 != 0)) {
    std::fprintf(stderr, "usage: listen [subscribers, a multiple of 100]\n");
    return 2;
  }
  sluice::benchmark::Main(subscribers);
}
