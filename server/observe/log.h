#ifndef SLUICE_SERVER_OBSERVE_LOG_H_
#define SLUICE_SERVER_OBSERVE_LOG_H_

#include <cstdio>
#include <memory>
#include <string>

#include "server/base/mutex.h"
#include "server/observe/events.h"

namespace sluice::observe {

enum class LogFormat { kText, kJson };

// Writes each event as one line: JSON for machines, text for a terminal. Successful calls
// are left out, unless they carry their statements (--echo_sql).
class Log : public Observer {
 public:
  // `out` must outlive the log.
  Log(LogFormat format, std::FILE* out) : format_(format), out_(out) {}

  void Record(const Event& event) override;

 private:
  const LogFormat format_;
  std::FILE* const out_;
  Mutex mu_;  // keeps lines whole
};

}  // namespace sluice::observe

#endif  // SLUICE_SERVER_OBSERVE_LOG_H_
