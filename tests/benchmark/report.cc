// Figures of the README, from one run on one machine:
//   bazel run -c opt //tests/benchmark:report
// Starts PostgreSQL, PgBouncer (transaction mode, 15 server connections, 200 client slots)
// and sluiced, all on unix sockets, and measures SELECT 1.

#include <cstdio>

#include "tests/benchmark/load.h"
#include "tests/benchmark/peers.h"
#include "tests/support/gateway.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

namespace sluice::benchmark {
namespace {

double Microseconds(absl::Duration duration) { return absl::ToDoubleMicroseconds(duration); }

void PrintRow(const char* what, const Measurement& measured) {
  std::printf("| %-38s | %8.0f | %8.0f | %8.0f | %8.1f | %8lld |\n", what, measured.calls_per_second(),
              Microseconds(measured.p50), Microseconds(measured.p99), Microseconds(measured.cpu_per_call),
              static_cast<long long>(measured.failures));
  if (measured.failures > 0) std::printf("  first failure: %s\n", measured.first_failure.c_str());
  std::fflush(stdout);
}

int Main() {
  constexpr absl::Duration kLength = absl::Seconds(3);
  const testing_support::PostgresServer postgres;
  const testing_support::PgBouncer pgbouncer(postgres, testing_support::PgBouncer::Options());
  testing_support::Gateway gateway(pgbouncer.Url());
  if (!gateway.AwaitReady()) return 1;
  const pid_t pid = gateway.process().pid();

  std::printf("| %-38s | %8s | %8s | %8s | %8s | %8s |\n", "SELECT 1", "calls/s", "p50 us", "p99 us", "CPU us",
              "failures");
  std::printf("|----------------------------------------|---------:|---------:|---------:|---------:|---------:|\n");
  const Measurement libpq = MeasureLibpq({pgbouncer.directory(), 6432}, "SELECT 1", kLength);
  PrintRow("libpq -> PgBouncer, 1 connection", libpq);
  Measurement alone;
  for (const int callers : {1, 20, 64, 256}) {
    const Measurement measured =
        MeasureGateway({gateway.address(), pid, ""}, *FindWorkload("select1"), callers, kLength);
    if (callers == 1) alone = measured;
    char what[64];
    std::snprintf(what, sizeof(what), "gateway -> PgBouncer, %d caller%s", callers, callers == 1 ? "" : "s");
    PrintRow(what, measured);
  }
  for (const int calls : {1000, 10000}) {
    char what[64];
    std::snprintf(what, sizeof(what), "gateway, burst of %d calls at once", calls);
    PrintRow(what, Burst({gateway.address(), pid, ""}, *FindWorkload("select1"), calls));
  }
  std::printf("\nround trip of one caller: gateway / libpq = %.2f (p50)\n", absl::FDivDuration(alone.p50, libpq.p50));
  return 0;
}

}  // namespace
}  // namespace sluice::benchmark

int main() { return sluice::benchmark::Main(); }
