#ifndef SLUICE_TESTS_BENCHMARK_TALLY_H_
#define SLUICE_TESTS_BENCHMARK_TALLY_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"

namespace sluice::benchmark {

struct Measurement {
  int64_t calls = 0;
  int64_t failures = 0;
  std::string first_failure;
  absl::Duration elapsed;
  absl::Duration p50;
  absl::Duration p99;
  // CPU time that the gateway used, or libpq's caller, over the calls; zero if none was measured.
  absl::Duration cpu_per_call;

  double calls_per_second() const {
    return elapsed > absl::ZeroDuration() ? static_cast<double>(calls) / absl::ToDoubleSeconds(elapsed) : 0;
  }
};

// Latencies and failures of many callers. Thread-safe.
class Tally {
 public:
  void Add(absl::Duration latency);
  void Fail(const std::string& why);
  Measurement Sum(absl::Duration elapsed);

 private:
  Mutex mu_;
  std::vector<absl::Duration> latencies_ ABSL_GUARDED_BY(mu_);
  int64_t failures_ ABSL_GUARDED_BY(mu_) = 0;
  std::string first_failure_ ABSL_GUARDED_BY(mu_);
};

// User and system time of a process so far.
absl::Duration CpuTime(pid_t process);
absl::Duration CpuTimeOfThread();

}  // namespace sluice::benchmark

#endif  // SLUICE_TESTS_BENCHMARK_TALLY_H_
