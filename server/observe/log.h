#ifndef SLUICE_SERVER_OBSERVE_LOG_H_
#define SLUICE_SERVER_OBSERVE_LOG_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/observe/events.h"

namespace sluice::observe {

enum class LogFormat { kText, kJson };

// Writes each event as one line: JSON for machines, text for a terminal. Successful calls
// are left out, unless they carry their statements (--echo_sql).
//
// A thread of its own writes, so that a pipe that nobody reads stops no call: what does not fit
// into its queue is dropped, and a line says how many were.
class Log : public Observer {
 public:
  struct Options {
    LogFormat format = LogFormat::kJson;
    size_t queue_length_max = 10000;
  };

  // `out` must outlive the log.
  Log(const Options& options, std::FILE* out);
  // Writes what is in the queue.
  ~Log() override;

  void Record(const Event& event) override;

 private:
  struct Entry {
    absl::Time time;
    Event event;
  };

  void WriteAll();
  void Write(const Entry& entry);

  const Options options_;
  std::FILE* const out_;

  Mutex mu_;
  CondVar changed_;
  std::vector<Entry> queue_ ABSL_GUARDED_BY(mu_);
  int64_t dropped_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;
};

}  // namespace sluice::observe

#endif  // SLUICE_SERVER_OBSERVE_LOG_H_
