#ifndef SLUICE_SERVER_POSTGRES_INTERRUPT_H_
#define SLUICE_SERVER_POSTGRES_INTERRUPT_H_

#include <atomic>

#include "absl/time/time.h"

namespace sluice::postgres {

// Wakes one thread that waits in poll(): a flag with a file descriptor.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Any thread.
  void Raise();
  // The waiting thread.
  void Await(absl::Time until) const;
  bool raised() const { return raised_; }
  void Clear();
  // Readable while raised.
  int file_descriptor() const { return event_; }

 private:
  const int event_;
  std::atomic<bool> raised_{false};
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_INTERRUPT_H_
