#include "client/cli/interrupts.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace sluice::cli {
namespace {

// Where the signal handler writes to; -1 where there are no Interrupts.
volatile int signalled = -1;

void OnSignal(int) {
  const int keep = errno;
  const char byte = 'c';
  // A full pipe has news enough.
  const ssize_t ignored = write(signalled, &byte, 1);
  (void)ignored;
  errno = keep;
}

}  // namespace

Interrupts::Interrupts() : idle_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  // There are descriptors left, at the start.
  if (pipe2(pipe_, O_CLOEXEC) != 0) std::abort();
  signalled = pipe_[1];
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  thread_ = std::thread([this] { Watch(); });
}

Interrupts::~Interrupts() {
  signal(SIGINT, SIG_DFL);
  signalled = -1;
  close(pipe_[1]);
  thread_.join();
  close(pipe_[0]);
  close(idle_);
}

void Interrupts::TakeIdle() const {
  eventfd_t ignored;
  eventfd_read(idle_, &ignored);
}

void Interrupts::Watch() {
  char byte;
  for (;;) {
    const ssize_t got = read(pipe_[0], &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    MutexLock lock(&mu_);
    cancel_ != nullptr ? cancel_() : static_cast<void>(eventfd_write(idle_, 1));
  }
}

Interrupts::During::During(Interrupts* interrupts, std::function<void()> cancel) : interrupts_(interrupts) {
  if (interrupts_ == nullptr) return;
  MutexLock lock(&interrupts_->mu_);
  interrupts_->cancel_ = std::move(cancel);
}

Interrupts::During::~During() {
  if (interrupts_ == nullptr) return;
  MutexLock lock(&interrupts_->mu_);
  interrupts_->cancel_ = nullptr;
}

}  // namespace sluice::cli
