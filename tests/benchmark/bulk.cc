// One client moves many rows of 100 bytes, with psql and through the gateway, by the same PgBouncer, in turn:
// ten million out with ExecuteStream and CopyOut, against COPY TO STDOUT; one million in with CopyIn, against \copy.
//   bazel run --config=bench //tests/benchmark:bulk -- [rows out] [rows in]

#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/database.h"
#include "tests/support/direct.h"
#include "tests/support/gateway.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

namespace sluice {
namespace {

using testing_support::Gateway;
using testing_support::PgBouncer;
using testing_support::Process;

// Runs psql, and returns how many seconds it took.
double Psql(const PgBouncer& pgbouncer, const std::string& command) {
  testing_support::TempDir directory;
  Process::Options psql;
  psql.command = {"/bin/sh", "-c",
                  absl::StrCat("psql -X -q -h ", pgbouncer.directory(), " -p 6432 -U postgres -c \"", command,
                               "\" postgres > /dev/null")};
  psql.output_path = directory.File("psql");
  const absl::Time begin = absl::Now();
  testing_support::RunOrDie(psql);
  return absl::ToDoubleSeconds(absl::Now() - begin);
}

// One way of moving the rows through the gateway; returns how many.
using Way = std::function<absl::StatusOr<int64_t>(const client::Database&)>;

absl::StatusOr<int64_t> StreamRows(const client::Database& db, const std::string& query) {
  client::RowStream stream = db.Stream(query);
  int64_t count = 0;
  while (stream.Next()) ++count;
  if (!stream.status().ok()) return stream.status();
  return count;
}

absl::StatusOr<int64_t> CopyOut(const client::Database& db, const std::string& query) {
  client::CopyReader reader = db.CopyOut(client::Statement(query));
  std::string piece;
  while (reader.Read(&piece)) continue;
  if (!reader.status().ok()) return reader.status();
  return reader.summary().row_count();
}

absl::StatusOr<int64_t> CopyIn(const client::Database& db, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  client::CopyWriter writer = db.CopyIn(client::Table("loaded"));
  std::string piece(256 << 10, ' ');
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0) {
    if (!writer.Write(absl::string_view(piece.data(), static_cast<size_t>(file.gcount())))) break;
  }
  return writer.Commit();
}

class Bench {
 public:
  explicit Bench(int64_t rows) : rows_(rows), pgbouncer_(postgres_, PgBouncer::Options()), gateway_(pgbouncer_.Url()) {}

  const PgBouncer& pgbouncer() const { return pgbouncer_; }

  // psql and the gateway in turn, three times; `prepare` runs before each.
  void Compare(const std::string& title, const std::string& psql, const Way& way, const std::string& prepare = "") {
    std::printf("\n| %s | psql, rows/s | gateway, rows/s | ratio | gateway grew, MiB |\n", title.c_str());
    std::printf("|---|---:|---:|---:|---:|\n");
    for (int round = 1; round <= 3; ++round) {
      Prepare(prepare);
      const double copied = static_cast<double>(rows_) / Psql(pgbouncer_, psql);
      Prepare(prepare);
      const pid_t pid = gateway_.process().pid();
      const int64_t before = testing_support::StatusOfProcess(pid, "VmRSS");
      const absl::Time begin = absl::Now();
      const absl::StatusOr<int64_t> count = way(gateway_.Client());
      const double moved = static_cast<double>(rows_) / absl::ToDoubleSeconds(absl::Now() - begin);
      if (!count.ok() || *count != rows_) std::printf("FAILED: %s\n", count.status().ToString().c_str());
      std::printf("| %d | %.0f | %.0f | %.2f | %.1f |\n", round, copied, moved, moved / copied,
                  static_cast<double>(testing_support::StatusOfProcess(pid, "VmHWM") - before) / 1024);
      std::fflush(stdout);
    }
  }

 private:
  void Prepare(const std::string& sql) const {
    if (!sql.empty()) testing_support::Direct(postgres_.ConnectionString()).Run(sql);
  }

  const int64_t rows_;
  const testing_support::PostgresServer postgres_;
  const PgBouncer pgbouncer_;
  Gateway gateway_;
};

std::string Query(int64_t rows) { return absl::StrCat("SELECT generate_series(1, ", rows, "), repeat('x', 96)"); }

void Run(int64_t rows_out, int64_t rows_in) {
  {
    Bench out(rows_out);
    const std::string query = Query(rows_out);
    const std::string copy = absl::StrCat("COPY (", query, ") TO STDOUT");
    out.Compare("ExecuteStream", copy, [&](const client::Database& db) { return StreamRows(db, query); });
    out.Compare("CopyOut", copy, [&](const client::Database& db) { return CopyOut(db, query); });
  }
  Bench in(rows_in);
  const testing_support::TempDir directory;
  const std::string file = directory.File("rows");
  Psql(in.pgbouncer(), absl::StrCat("\\copy (", Query(rows_in), ") TO '", file, "'"));
  in.Compare(
      "CopyIn", absl::StrCat("\\copy loaded FROM '", file, "'"),
      [&](const client::Database& db) { return CopyIn(db, file); },
      "DROP TABLE IF EXISTS loaded; CREATE TABLE loaded (n int, pad text); CHECKPOINT");
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  int64_t rows_out = 10000000, rows_in = 1000000;
  const bool good = (argc < 2 || absl::SimpleAtoi(argv[1], &rows_out)) && rows_out > 0 &&
                    (argc < 3 || absl::SimpleAtoi(argv[2], &rows_in)) && rows_in > 0;
  if (!good) {
    std::fprintf(stderr, "usage: bulk [rows out] [rows in]\n");
    return 2;
  }
  sluice::Run(rows_out, rows_in);
}
