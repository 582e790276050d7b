#ifndef SLUICE_TESTS_BENCHMARK_LOAD_H_
#define SLUICE_TESTS_BENCHMARK_LOAD_H_

#include <sys/types.h>

#include <string>

#include "absl/time/time.h"
#include "tests/benchmark/tally.h"
#include "tests/benchmark/workload.h"

namespace sluice::benchmark {

// `callers` calls in flight on one channel at all times, each followed by the next, for
// `length`. Checks every status and every answer. `server` is the process whose CPU counts.
Measurement MeasureGateway(const std::string& target, const Workload& workload, int callers, absl::Duration length,
                           pid_t server);

// `calls` at once, none followed by another.
Measurement Burst(const std::string& target, const Workload& workload, int calls);

}  // namespace sluice::benchmark

#endif  // SLUICE_TESTS_BENCHMARK_LOAD_H_
