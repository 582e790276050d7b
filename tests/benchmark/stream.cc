// One client reads ten million rows of 100 bytes: psql with COPY TO STDOUT, and the gateway's ExecuteStream, through
// the same PgBouncer, in turn.
//   bazel run --config=bench //tests/benchmark:stream -- [rows]

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/cpp/database.h"
#include "tests/support/gateway.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

namespace sluice {
namespace {

using testing_support::Gateway;
using testing_support::PgBouncer;
using testing_support::Process;

// VmRSS or VmHWM.
int64_t Kilobytes(pid_t pid, const std::string& key) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(status, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t:"), absl::SkipEmpty());
    int64_t kilobytes = 0;
    if (words.size() > 1 && words[0] == key && absl::SimpleAtoi(words[1], &kilobytes)) return kilobytes;
  }
  return 0;
}

double Copy(const PgBouncer& pgbouncer, const std::string& query, int64_t rows) {
  testing_support::TempDir directory;
  Process::Options psql;
  psql.command = {"/bin/sh", "-c",
                  absl::StrCat("psql -X -h ", pgbouncer.directory(), " -p 6432 -U postgres -c \"COPY (", query,
                               ") TO STDOUT\" postgres > /dev/null")};
  psql.output_path = directory.File("psql");
  const absl::Time begin = absl::Now();
  testing_support::RunOrDie(psql);
  return static_cast<double>(rows) / absl::ToDoubleSeconds(absl::Now() - begin);
}

double Stream(const Gateway& gateway, const std::string& query, int64_t rows, int64_t* peak_growth_kb) {
  const pid_t pid = const_cast<Gateway&>(gateway).process().pid();
  const int64_t before = Kilobytes(pid, "VmRSS");
  const absl::Time begin = absl::Now();
  client::RowStream stream = gateway.Client().Stream(query);
  int64_t count = 0;
  while (stream.Next()) ++count;
  const double rate = static_cast<double>(count) / absl::ToDoubleSeconds(absl::Now() - begin);
  if (!stream.status().ok() || count != rows) {
    std::printf("FAILED after %lld rows: %s\n", static_cast<long long>(count), stream.status().ToString().c_str());
  }
  *peak_growth_kb = Kilobytes(pid, "VmHWM") - before;
  return rate;
}

void Run(int64_t rows) {
  const testing_support::PostgresServer postgres;
  const PgBouncer pgbouncer(postgres, PgBouncer::Options());
  const Gateway gateway(pgbouncer.Url());
  const std::string query = absl::StrCat("SELECT generate_series(1, ", rows, "), repeat('x', 96)");
  std::printf("| round | psql COPY TO STDOUT, rows/s | ExecuteStream, rows/s | ratio | gateway grew, MiB |\n");
  std::printf("|---:|---:|---:|---:|---:|\n");
  for (int round = 1; round <= 3; ++round) {
    const double copied = Copy(pgbouncer, query, rows);
    int64_t grown_kb = 0;
    const double streamed = Stream(gateway, query, rows, &grown_kb);
    std::printf("| %d | %.0f | %.0f | %.2f | %.1f |\n", round, copied, streamed, streamed / copied,
                static_cast<double>(grown_kb) / 1024);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  int64_t rows = 10000000;
  if (argc > 1 && (!absl::SimpleAtoi(argv[1], &rows) || rows < 1)) {
    std::fprintf(stderr, "usage: stream [rows]\n");
    return 2;
  }
  sluice::Run(rows);
}
