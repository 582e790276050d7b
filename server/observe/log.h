#ifndef SLUICE_SERVER_OBSERVE_LOG_H_
#define SLUICE_SERVER_OBSERVE_LOG_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "server/observe/events.h"

namespace sluice::observe {

enum class LogFormat { kText, kJson };

// Writes each event as one line: JSON for machines, text for a terminal. Successful calls
// are left out, unless they were slow or carry their statements (--echo_sql).
//
// A thread of its own writes, so that a pipe that nobody reads stops no call: what does not fit
// into its queue is dropped, and a line says how many were.
class Log : public Observer {
 public:
  struct Options {
    LogFormat format = LogFormat::kJson;
    size_t queue_length_max = 10000;
    // Of the texts in it: statements (--echo_sql) may be of megabytes. As much again is being written.
    size_t queue_bytes_max = 16 << 20;
  };

  // `out` is a file descriptor that stays open to the end of the process. No stdio: its locks would
  // keep exit() waiting for a thread that is stuck.
  Log(const Options& options, int out);
  // Writes what is in the queue, for a second: a thread that is stuck in a pipe which nobody
  // reads is left to the end of the process.
  ~Log() override;

  void Record(const Event& event) override;

  // Lines that were dropped since the start; a line says so only once it can be written.
  int64_t lines_dropped() const;

 private:
  struct State;
  // Shared with the thread, which may outlive this.
  const std::shared_ptr<State> state_;
};

}  // namespace sluice::observe

#endif  // SLUICE_SERVER_OBSERVE_LOG_H_
