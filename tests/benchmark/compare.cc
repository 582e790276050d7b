// The gateway beside its peers, in one run on one machine:
//   bazel run --config=bench //tests/benchmark:compare
//   ... -- --workloads=point,rls --callers=1,64 --links=0,5 --seconds=2 --svg=/tmp/compare.svg
//
// PostgreSQL, PgBouncer (transaction mode, 15 server connections, 200 client slots, Supabase's own
// numbers) and the gateway are started for it, on unix sockets. A link of n ms is a proxy that
// delays every byte by n/2 each way, between whoever uses the database and PgBouncer.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tests/benchmark/load.h"
#include "tests/benchmark/peers.h"
#include "tests/benchmark/plot.h"
#include "tests/support/direct.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/gateway.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

namespace sluice::benchmark {
namespace {

using testing_support::FaultProxy;
using testing_support::Gateway;
using testing_support::PgBouncer;
using testing_support::PostgresServer;

struct Flags {
  std::vector<std::string> workloads = {"point", "rls", "write", "batch10", "tpcb", "rows100", "rows1000"};
  std::vector<std::string> callers = {"1", "20", "64", "256", "1000"};
  std::vector<std::string> links_ms = {"0", "5", "20", "40"};
  int seconds = 3;
  std::string svg;
};

[[noreturn]] void EndWithUsage(const char* flag) {
  std::fprintf(stderr,
               "compare: what is %s?\n  --workloads=point,rls,write,batch10,tpcb,rows100,rows1000 --callers=1,20,64\n"
               "  --links=0,5 (ms) --seconds=3 (for each row) --svg=/absolute/path\n",
               flag);
  std::exit(2);
}

Flags ReadFlags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::vector<std::string> flag = absl::StrSplit(argv[i], absl::MaxSplits('=', 1));
    const std::vector<std::string> values = absl::StrSplit(flag.size() == 2 ? flag[1] : "", ',');
    if (flag[0] == "--workloads")
      flags.workloads = values;
    else if (flag[0] == "--callers")
      flags.callers = values;
    else if (flag[0] == "--links")
      flags.links_ms = values;
    else if (flag[0] == "--seconds" && absl::SimpleAtoi(values[0], &flags.seconds))
      continue;
    else if (flag[0] == "--svg")
      flags.svg = values[0];
    else
      EndWithUsage(argv[i]);
  }
  for (const std::string& name : flags.workloads) {
    if (FindWorkload(name) == nullptr) EndWithUsage(name.c_str());
  }
  return flags;
}

int Number(const std::string& text) {
  int number = 0;
  return absl::SimpleAtoi(text, &number) ? number : 0;
}

void RequireReady(const Gateway& gateway) {
  if (gateway.AwaitReady()) return;
  std::fprintf(stderr, "compare: a gateway does not get ready:\n%s\n", gateway.log().c_str());
  std::exit(1);
}

// The database with a way to it that is as long as it is told.
class Site {
 public:
  explicit Site(absl::Duration round_trip)
      : pgbouncer_(postgres_, PgBouncer::Options()),
        link_(pgbouncer_.directory() + "/.s.PGSQL.6432"),
        direct_link_(postgres_.socket_directory() + "/.s.PGSQL.5432") {
    testing_support::Direct direct(postgres_.ConnectionString());
    for (const std::string& statement : Schema()) direct.Run(statement);
    is_local_ = round_trip == absl::ZeroDuration();
    if (!is_local_) link_.Delay(round_trip / 2);
    if (!is_local_) direct_link_.Delay(round_trip / 2);
    gateway_ = std::make_unique<Gateway>(Url());
    RequireReady(*gateway_);
  }

  // What a client of the database connects to.
  Server server() const {
    return is_local_ ? Server{pgbouncer_.directory(), 6432} : Server{link_.socket_directory(), 5432};
  }
  // The same without PgBouncer.
  Server postgres() const { return {is_local_ ? postgres_.socket_directory() : direct_link_.socket_directory(), 5432}; }
  Gateway& gateway() { return *gateway_; }
  std::string Url() const { return is_local_ ? pgbouncer_.Url() : link_.Url(); }

 private:
  PostgresServer postgres_;
  PgBouncer pgbouncer_;
  FaultProxy link_, direct_link_;
  bool is_local_ = true;
  std::unique_ptr<Gateway> gateway_;
};

void PrintHead() {
  std::printf("| %4s | %-9s | %7s | %-30s | %9s | %9s | %9s | %7s | %8s |\n", "link", "work", "callers", "who",
              "calls/s", "p50 us", "p99 us", "CPU us", "failures");
  std::printf(
      "|-----:|-----------|--------:|--------------------------------|----------:|----------:|----------:|--------:|---"
      "--"
      "----:|\n");
}

void PrintRow(const std::string& link_ms, const char* work, int callers, const char* who, const Measurement& measured) {
  const double cpu = absl::ToDoubleMicroseconds(measured.cpu_per_call);
  std::printf("| %4s | %-9s | %7d | %-30s | %9.0f | %9.0f | %9.0f | %7s | %8lld |\n", link_ms.c_str(), work, callers,
              who, measured.calls_per_second(), absl::ToDoubleMicroseconds(measured.p50),
              absl::ToDoubleMicroseconds(measured.p99), cpu > 0 ? absl::StrFormat("%.1f", cpu).c_str() : "",
              static_cast<long long>(measured.failures));
  if (measured.failures > 0) std::printf("  first failure: %s\n", measured.first_failure.c_str());
  std::fflush(stdout);
}

Target TargetOf(Gateway* gateway) { return {gateway->address(), gateway->process().pid(), ""}; }

// Another gateway, for a row. It ends before the others begin: its connections are some of
// PgBouncer's 200.
Measurement MeasureWith(const std::vector<std::string>& flags, const std::string& token, const Site& site,
                        const Workload& workload, int callers, absl::Duration length) {
  Gateway gateway(site.Url(), flags);
  RequireReady(gateway);
  Target target = TargetOf(&gateway);
  target.token = token;
  return MeasureGateway(target, workload, callers, length);
}

// printf %s token | sha256sum
constexpr char kCallers[] =
    R"({"callers": [{"name": "benchmark", "permissions": ["sql", "group_commit"],
        "token_sha256": "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0"}]})";

void CompareAt(Site* site, const std::string& link_ms, const Workload& workload, int callers, absl::Duration length,
               std::vector<Point>* points) {
  const auto row = [&](const char* who, const Measurement& measured) {
    PrintRow(link_ms, workload.name, callers, who, measured);
    points->push_back({link_ms, workload.name, callers, who, measured.calls_per_second()});
  };
  row("sluice", MeasureGateway(TargetOf(&site->gateway()), workload, callers, length));
  if (callers > 1 && absl::string_view(workload.name) == "point") {
    row("sluice, each call alone", MeasureWith({"--flight_statements_max=1"}, "", *site, workload, callers, length));
  }
  if (callers > 1 && absl::string_view(workload.name) == "write") {
    const testing_support::TempDir directory;
    const std::string callers_file = directory.Write("callers.json", kCallers);
    row("sluice, group commit",
        MeasureWith({"--callers_file=" + callers_file}, "token", *site, workload, callers, length));
  }
  // PgBouncer has 200 slots, of which the gateway holds some: more clients are refused, which is
  // no measurement of its speed.
  if (callers <= 64) row("pgbench -> PgBouncer", MeasurePgbench(site->server(), workload, callers, length));
  if (callers == 256) row("pgbench -> PgBouncer (180)", MeasurePgbench(site->server(), workload, 180, length));
  if (const auto asyncpg = MeasureAsyncpg(site->server(), workload, callers, length)) {
    row("asyncpg (pool 40) -> PgBouncer", *asyncpg);
  }
}

int Main(int argc, char** argv) {
  const Flags flags = ReadFlags(argc, argv);
  const absl::Duration length = absl::Seconds(flags.seconds);
  std::vector<Point> points;
  PrintHead();
  for (const std::string& link_ms : flags.links_ms) {
    Site site(absl::Milliseconds(Number(link_ms)));
    Gateway& gateway = site.gateway();
    PrintRow(link_ms, "nothing", 1, "an empty gRPC call",
             MeasureEmptyCall(gateway.address(), 1, length, gateway.process().pid()));
    PrintRow(link_ms, "nothing", 64, "an empty gRPC call",
             MeasureEmptyCall(gateway.address(), 64, length, gateway.process().pid()));
    PrintRow(link_ms, "point", 1, "libpq -> PgBouncer",
             MeasureLibpq(site.server(), "SELECT balance FROM accounts WHERE id = 77", length));
    PrintRow(link_ms, "point", 1, "libpq -> PostgreSQL",
             MeasureLibpq(site.postgres(), "SELECT balance FROM accounts WHERE id = 77", length));
    for (const std::string& name : flags.workloads) {
      const Workload* workload = FindWorkload(name);
      for (const std::string& callers : flags.callers) {
        CompareAt(&site, link_ms, *workload, Number(callers), length, &points);
      }
    }
    const Measurement burst = Burst(TargetOf(&gateway), *FindWorkload("point"), 10000);
    PrintRow(link_ms, "point", 10000, "sluice, all at once", burst);
  }
  if (!flags.svg.empty()) std::ofstream(flags.svg) << Plot(points);
  return 0;
}

}  // namespace
}  // namespace sluice::benchmark

int main(int argc, char** argv) { return sluice::benchmark::Main(argc, argv); }
