// Load on a gateway that runs already, for a look at it with a profiler:
//   bazel run --config=bench //tests/benchmark:drive -- unix:/tmp/sluice select1 64 10 "$(pidof sluiced)"
// work (workload.cc), callers, seconds, and the process whose CPU counts.

#include <cstdio>
#include <cstdlib>

#include "tests/benchmark/load.h"

int main(int argc, char** argv) {
  const sluice::benchmark::Workload* workload = argc == 6 ? sluice::benchmark::FindWorkload(argv[2]) : nullptr;
  if (workload == nullptr) {
    std::fprintf(stderr, "drive <target> <work> <callers> <seconds> <pid>\n");
    return 2;
  }
  const sluice::benchmark::Measurement measured = sluice::benchmark::MeasureGateway(
      {argv[1], std::atoi(argv[5]), ""}, *workload, std::atoi(argv[3]), absl::Seconds(std::atoi(argv[4])));
  std::printf("%.0f calls/s, p50 %.0f us, p99 %.0f us, %.1f us of CPU a call, %lld failures\n",
              measured.calls_per_second(), absl::ToDoubleMicroseconds(measured.p50),
              absl::ToDoubleMicroseconds(measured.p99), absl::ToDoubleMicroseconds(measured.cpu_per_call),
              static_cast<long long>(measured.failures));
  return measured.failures == 0 ? 0 : 1;
}
