#ifndef SLUICE_TESTS_BENCHMARK_LOAD_H_
#define SLUICE_TESTS_BENCHMARK_LOAD_H_

#include <sys/types.h>

#include <functional>
#include <string>

#include "absl/time/time.h"

namespace sluice::benchmark {

struct Measurement {
  int64_t calls = 0;
  int64_t failures = 0;
  std::string first_failure;
  absl::Duration elapsed;
  absl::Duration p50;
  absl::Duration p99;
  // CPU time that the measured process used, over the calls.
  absl::Duration server_cpu_per_call;

  double calls_per_second() const { return static_cast<double>(calls) / absl::ToDoubleSeconds(elapsed); }
};

// `callers` calls in flight on one channel at all times, each followed by the next, for
// `length`. Checks every status and every answer. `server` is the process whose CPU counts.
Measurement MeasureGateway(const std::string& target, int callers, absl::Duration length, pid_t server);

// The same statement through libpq on one connection, one after the other.
Measurement MeasureLibpq(const std::string& connection_string, absl::Duration length);

// `calls` at once, none followed by another.
Measurement Burst(const std::string& target, int calls, const std::string& sql);

}  // namespace sluice::benchmark

#endif  // SLUICE_TESTS_BENCHMARK_LOAD_H_
