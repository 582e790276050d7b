#ifndef SLUICE_CLIENT_CLI_INTERRUPTS_H_
#define SLUICE_CLIENT_CLI_INTERRUPTS_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"

namespace sluice::cli {

// Makes Ctrl-C cancel what runs, instead of ending the shell; while nothing runs it is for whoever waits for a line.
// One for a process.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // Readable when Ctrl-C was pressed while nothing ran, until that is taken.
  int idle_descriptor() const { return idle_; }
  void TakeIdle() const;

  // What Ctrl-C does while this lives. `interrupts` may be null: then nothing is done.
  class During {
   public:
    During(Interrupts* interrupts, std::function<void()> cancel);
    ~During();
    During(const During&) = delete;
    During& operator=(const During&) = delete;

   private:
    Interrupts* const interrupts_;
  };

 private:
  void Watch();

  int pipe_[2];
  const int idle_;
  Mutex mu_;
  std::function<void()> cancel_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_INTERRUPTS_H_
