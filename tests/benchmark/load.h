#ifndef SLUICE_TESTS_BENCHMARK_LOAD_H_
#define SLUICE_TESTS_BENCHMARK_LOAD_H_

#include <sys/types.h>

#include <string>

#include "absl/time/time.h"
#include "tests/benchmark/tally.h"
#include "tests/benchmark/workload.h"

namespace sluice::benchmark {

// A gateway that runs.
struct Target {
  std::string address;
  // Whose CPU counts.
  pid_t process = 0;
  // Of the caller; empty where the gateway does not know its callers.
  std::string token;
};

// `callers` calls in flight on one channel at all times, each followed by the next, for
// `length`. Checks every status and every answer.
Measurement MeasureGateway(const Target& target, const Workload& workload, int callers, absl::Duration length);

// `calls` at once, none followed by another.
Measurement Burst(const Target& target, const Workload& workload, int calls);

}  // namespace sluice::benchmark

#endif  // SLUICE_TESTS_BENCHMARK_LOAD_H_
