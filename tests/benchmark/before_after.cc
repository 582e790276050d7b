// The README's before and after, on one PgBouncer in transaction mode with 200 client slots
// and 15 server connections:
//   apt-get install python3-asyncpg && bazel run -c opt //tests/benchmark:before_after

#include <unistd.h>

#include <cstdio>

#include "tests/benchmark/load.h"
#include "tests/support/gateway.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

int main() {
  using namespace sluice;  // NOLINT: a program of one function
  const testing_support::PostgresServer postgres;
  const testing_support::PgBouncer pgbouncer(postgres, testing_support::PgBouncer::Options());
  std::printf("| %-55s | %-12s | most frequent errors |\n|---|---|---|\n", "on PgBouncer in transaction mode", "lost");
  std::fflush(stdout);
  {
    testing_support::TempDir directory;
    testing_support::Process::Options python;
    python.command = {"/usr/bin/python3", "tests/benchmark/before.py", pgbouncer.directory(), "6432"};
    python.output_path = directory.File("before");
    testing_support::Process(python).Wait();
    std::fputs(testing_support::ReadFile(python.output_path).c_str(), stdout);
  }
  const testing_support::Gateway gateway(pgbouncer.Url());
  int failures = 0;
  for (const int calls : {1000, 10000}) {
    const benchmark::Measurement burst =
        benchmark::Burst({gateway.address(), 0, ""}, *benchmark::FindWorkload("sleep2ms"), calls);
    std::printf("| %-55s | %4d of %5d | %s |\n",
                calls == 1000 ? "1,000 calls at once through Sluice" : "10,000 calls at once through Sluice",
                static_cast<int>(burst.failures), calls, burst.failures == 0 ? "-" : burst.first_failure.c_str());
    failures += static_cast<int>(burst.failures);
  }
  return failures == 0 ? 0 : 1;
}
