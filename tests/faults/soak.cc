// Random weather over a random load, for as long as one likes; then the books are compared with the database, and what
// the gateway holds with what it held before.
//   bazel run //tests/faults:soak -- --minutes=10 [--seed=1] [--callers=16]
// Ends with 1 if it finds a lie, or that something grows.

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tests/faults/blows.h"
#include "tests/faults/books.h"
#include "tests/faults/load.h"
#include "tests/support/direct.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/gateway.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"
#include "tests/support/sluice_command.h"

namespace sluice {
namespace {

using testing_support::Direct;
using testing_support::Eventually;
using testing_support::FaultProxy;
using testing_support::Gateway;
using testing_support::PgBouncer;
using testing_support::PostgresServer;
using Way = FaultProxy::Way;

struct Options {
  double minutes = 1;
  int seed = 1;
  int callers = 16;
};

// What a process holds.
struct Holdings {
  int64_t resident_kib = 0, threads = 0, files = 0;
};

Holdings HoldingsOf(pid_t pid) {
  Holdings now;
  now.resident_kib = testing_support::StatusOfProcess(pid, "VmRSS");
  now.threads = testing_support::StatusOfProcess(pid, "Threads");
  for (const auto& file : std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/fd"))) {
    (void)file;
    ++now.files;
  }
  return now;
}

// Of a part of the run, the most of each.
Holdings MostOf(const std::vector<Holdings>& samples, double from, double to) {
  Holdings most;
  const auto at = [&](double share) { return static_cast<size_t>(share * static_cast<double>(samples.size())); };
  for (size_t i = at(from); i < at(to); ++i) {
    most.resident_kib = std::max(most.resident_kib, samples[i].resident_kib);
    most.threads = std::max(most.threads, samples[i].threads);
    most.files = std::max(most.files, samples[i].files);
  }
  return most;
}

class Soak {
 public:
  explicit Soak(const Options& options) : options_(options), random_(options.seed) {
    Direct database(postgres_.ConnectionString());
    Books::Open(&database);
    if (testing_support::RunSluice({"setup", "--database_url", postgres_.Url()}).exit_code != 0) std::abort();
  }

  // Returns the exit code.
  int Run() {
    const absl::Time end = absl::Now() + absl::Minutes(options_.minutes);
    {
      Load::Options calls;
      calls.gateways = {gateway_.address()};
      calls.callers = options_.callers;
      calls.timeout = absl::Seconds(3);
      calls.listens = true;
      Load load(calls, &books_);
      while (absl::Now() < end) Endure();
      network_.Release(Way::kToServer);
      network_.Release(Way::kToClient);
    }
    return Judge() ? 0 : 1;
  }

 private:
  struct Weather {
    const char* name;
    std::function<void()> happen;
  };

  int Pick(int first, int last) { return std::uniform_int_distribution<int>(first, last)(random_); }

  // One kind of weather, and some time of whatever it leaves.
  void Endure() {
    const Weather& weather = weathers_[Pick(0, static_cast<int>(weathers_.size()) - 1)];
    ++times_[weather.name];
    weather.happen();
    const absl::Time until = absl::Now() + absl::Milliseconds(Pick(50, 2000));
    Eventually(
        [&] {
          pooler_deaths_ += pgbouncer_.Revive() ? 1 : 0;
          return absl::Now() >= until;
        },
        absl::Seconds(5));
    network_.Release(Way::kToServer);
    network_.Release(Way::kToClient);
    network_.Delay(absl::ZeroDuration());
    samples_.push_back(HoldingsOf(gateway_.process().pid()));
    if (absl::Now() < next_line_) return;
    next_line_ = absl::Now() + absl::Seconds(10);
    const Books::Tally total = books_.Total();
    std::printf("%7ld calls: %ld ok, %ld not done, %ld unknown; %ld MiB, %ld threads, %ld files\n",
                static_cast<long>(total.calls()), static_cast<long>(total.ok), static_cast<long>(total.undone),
                static_cast<long>(total.unknown), static_cast<long>(samples_.back().resident_kib >> 10),
                static_cast<long>(samples_.back().threads), static_cast<long>(samples_.back().files));
    std::fflush(stdout);
  }

  bool Judge() {
    Direct database(postgres_.ConnectionString());
    const bool is_quiet = Eventually([&] {
                            pgbouncer_.Revive();
                            return gateway_.Client().Execute("SELECT 1").ok();
                          }) &&
                          ComesToRest(&database);
    std::printf("\n| kind of call | OK | not done | unknown |\n|---|---:|---:|---:|\n");
    for (const auto& [kind, tally] : books_.Tallies()) {
      std::printf("| %s | %ld | %ld | %ld |\n", kind.c_str(), static_cast<long>(tally.ok),
                  static_cast<long>(tally.undone), static_cast<long>(tally.unknown));
    }
    std::printf("\nweather:");
    for (const auto& [name, times] : times_) std::printf(" %s %d,", name.c_str(), times);
    std::printf(" the pooler ended itself %d times\n", pooler_deaths_);

    const std::vector<std::string> lies = books_.Audit(&database);
    for (const std::string& lie : lies) std::printf("LIE: %s\n", lie.c_str());
    const Holdings early = MostOf(samples_, 0.25, 0.5), late = MostOf(samples_, 0.75, 1);
    std::printf("at most in the second and the last quarter: %ld and %ld MiB, %ld and %ld threads, %ld and %ld files\n",
                static_cast<long>(early.resident_kib >> 10), static_cast<long>(late.resident_kib >> 10),
                static_cast<long>(early.threads), static_cast<long>(late.threads), static_cast<long>(early.files),
                static_cast<long>(late.files));
    const bool is_flat = late.resident_kib <= early.resident_kib * 5 / 4 + (16 << 10) &&
                         late.threads <= early.threads + 8 && late.files <= early.files + 16;
    std::printf("%ld calls, %zu lies%s%s\n", static_cast<long>(books_.Total().calls()), lies.size(),
                is_flat ? "" : ", SOMETHING GROWS", is_quiet ? "" : ", SOMETHING STAYS OPEN");
    return lies.empty() && is_flat && is_quiet;
  }

  void RestartPostgres(int signal) {
    postgres_.Stop(signal);
    postgres_.Start();
  }
  void RestartPooler(int signal) {
    pgbouncer_.Stop(signal);
    pgbouncer_.Start();
  }
  void PausePooler() {
    Direct console(pgbouncer_.ConnectionString("pgbouncer"));
    (void)console.Execute("PAUSE");
    (void)console.Execute("RESUME");
  }
  void LockTheTable() {
    Direct blocker(postgres_.ConnectionString());
    blocker.Run("BEGIN; LOCK TABLE effects");
    const absl::Time until = absl::Now() + absl::Milliseconds(Pick(100, 1500));
    Eventually([&] { return absl::Now() >= until; });
  }

  const Options options_;
  std::mt19937 random_;
  PostgresServer postgres_{std::vector<std::string>{"synchronous_commit = on", "max_connections = 60"}};
  PgBouncer pgbouncer_{postgres_, [] {
                         PgBouncer::Options options;
                         options.settings = {"server_login_retry = 1"};
                         return options;
                       }()};
  FaultProxy network_{pgbouncer_.directory() + "/.s.PGSQL.6432"};
  Gateway gateway_{network_.Url(), {"--listen_url=" + postgres_.Url(), "--listen_heartbeat=200ms"}};
  Books books_;

  const std::vector<Weather> weathers_ = {
      {"fine", [] {}},
      {"some backends terminated", [this] { EndBackends(postgres_, "3"); }},
      {"all backends terminated", [this] { EndBackends(postgres_, "ALL"); }},
      {"a backend killed", [this] { KillABackend(postgres_); }},
      {"PostgreSQL stopped fast", [this] { RestartPostgres(SIGINT); }},
      {"PostgreSQL stopped at once", [this] { RestartPostgres(SIGQUIT); }},
      {"pooler stopped", [this] { RestartPooler(SIGTERM); }},
      {"pooler killed", [this] { RestartPooler(SIGKILL); }},
      {"pooler paused", [this] { PausePooler(); }},
      {"table locked", [this] { LockTheTable(); }},
      {"a cut on the way to the server", [this] { network_.CutAfter(Way::kToServer, Pick(0, 5000)); }},
      {"a cut on the way back", [this] { network_.CutAfter(Way::kToClient, Pick(0, 50000)); }},
      {"a cut before COMMIT's answer", [this] { network_.CutBefore(Way::kToClient, "COMMIT"); }},
      {"a cut before INSERT's answer", [this] { network_.CutBefore(Way::kToClient, "INSERT 0 1"); }},
      {"all cut", [this] { network_.CutAll(); }},
      {"nothing passes to the server", [this] { network_.Hold(Way::kToServer); }},
      {"nothing passes back", [this] { network_.Hold(Way::kToClient); }},
      {"a slow network", [this] { network_.Delay(absl::Milliseconds(Pick(1, 100))); }},
  };
  std::map<std::string, int> times_;
  std::vector<Holdings> samples_;
  absl::Time next_line_ = absl::InfinitePast();
  int pooler_deaths_ = 0;
};

bool ReadArgument(absl::string_view argument, Options* options) {
  if (absl::ConsumePrefix(&argument, "--minutes=")) {
    return absl::SimpleAtod(argument, &options->minutes) && options->minutes > 0 && options->minutes <= 10000;
  }
  if (absl::ConsumePrefix(&argument, "--seed=")) return absl::SimpleAtoi(argument, &options->seed);
  if (absl::ConsumePrefix(&argument, "--callers=")) {
    return absl::SimpleAtoi(argument, &options->callers) && options->callers > 0 && options->callers <= 1000;
  }
  return false;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  sluice::Options options;
  for (int i = 1; i < argc; ++i) {
    if (sluice::ReadArgument(argv[i], &options)) continue;
    std::fprintf(stderr, "usage: soak [--minutes=1] [--seed=1] [--callers=16]\n");
    return 2;
  }
  return sluice::Soak(options).Run();
}
