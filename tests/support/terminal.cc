#include "tests/support/terminal.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/time/clock.h"
#include "tests/support/launch.h"

namespace sluice::testing_support {

Terminal::Terminal(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment) {
  winsize size = {};
  size.ws_row = 24;
  size.ws_col = 80;
  const Launch launch(command, environment);
  pid_ = forkpty(&terminal_, nullptr, nullptr, &size);
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  launch.Execute();
}

Terminal::~Terminal() {
  close(terminal_);
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Terminal::Type(const std::string& keys) {
  const ssize_t ignored = write(terminal_, keys.data(), keys.size());
  (void)ignored;
}

bool Terminal::Shows(const std::string& text, const std::string& keys) {
  const absl::Time end = absl::Now() + absl::Seconds(30);
  for (;;) {
    const size_t place = screen_.find(text, seen_);
    if (place != std::string::npos) {
      seen_ = place + text.size();
      return true;
    }
    TypeNowAndThen(keys);
    pollfd waits = {terminal_, POLLIN, 0};
    if (absl::Now() >= end || (poll(&waits, 1, 100) > 0 && !Read())) return false;
  }
}

void Terminal::TypeNowAndThen(const std::string& keys) {
  if (keys.empty() || absl::Now() < typed_at_ + absl::Seconds(1)) return;
  Type(keys);
  typed_at_ = absl::Now();
}

bool Terminal::Read() {
  char piece[4096];
  const ssize_t got = read(terminal_, piece, sizeof(piece));
  if (got > 0) screen_.append(piece, static_cast<size_t>(got));
  return got > 0;
}

int Terminal::Wait(const std::string& keys) {
  const absl::Time end = absl::Now() + absl::Seconds(30);
  pollfd waits = {terminal_, POLLIN, 0};
  while (absl::Now() < end) {
    TypeNowAndThen(keys);
    if (poll(&waits, 1, 100) > 0 && !Read()) break;
  }
  if (absl::Now() >= end) kill(pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace sluice::testing_support
