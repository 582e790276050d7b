#include "tests/benchmark/tally.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/support/temp_dir.h"

namespace sluice::benchmark {

void Tally::Add(absl::Duration latency) {
  MutexLock lock(&mu_);
  latencies_.push_back(latency);
}

void Tally::Fail(const std::string& why) {
  MutexLock lock(&mu_);
  if (failures_++ == 0) first_failure_ = why;
}

Measurement Tally::Sum(absl::Duration elapsed) {
  MutexLock lock(&mu_);
  Measurement sum;
  sum.calls = static_cast<int64_t>(latencies_.size());
  sum.failures = failures_;
  sum.first_failure = first_failure_;
  sum.elapsed = elapsed;
  std::sort(latencies_.begin(), latencies_.end());
  if (!latencies_.empty()) {
    sum.p50 = latencies_[latencies_.size() / 2];
    sum.p99 = latencies_[latencies_.size() * 99 / 100];
  }
  return sum;
}

absl::Duration CpuTime(pid_t process) {
  const std::string stat = testing_support::ReadFile(absl::StrCat("/proc/", process, "/stat"));
  // Behind the name, which is in brackets and may hold anything.
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(stat.rfind(')') + 2), ' ');
  int64_t user = 0, system = 0;
  if (fields.size() < 13 || !absl::SimpleAtoi(fields[11], &user) || !absl::SimpleAtoi(fields[12], &system)) return {};
  return absl::Seconds(static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK)));
}

absl::Duration CpuTimeOfThread() {
  rusage usage = {};
  getrusage(RUSAGE_THREAD, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

}  // namespace sluice::benchmark
