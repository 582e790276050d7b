// sluice top: what a gateway is doing, again and again.

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/cli/admin_client.h"
#include "client/cli/commands.h"
#include "client/cli/report.h"
#include "client/cli/status_text.h"
#include "client/cli/terminal.h"

namespace sluice::cli {
namespace {

// The whole screen, and keys without Enter; what was there before comes back with the end, also by Ctrl-C.
class FullScreen {
 public:
  FullScreen() {
    tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    Print("\x1b[?1049h\x1b[?25l");
  }
  ~FullScreen() {
    Print("\x1b[?25h\x1b[?1049l");
    std::fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;

  // As many lines as there is room for, each cut at the edge.
  void Show(const std::string& text) const {
    winsize size = {};
    const bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0;
    const size_t rows = is_known ? size.ws_row : 24, columns = is_known ? size.ws_col : 80;
    std::string screen = "\x1b[H";
    const std::vector<std::string> lines = absl::StrSplit(text, '\n');
    for (size_t i = 0; i + 1 < rows && i < lines.size(); ++i) {
      absl::StrAppend(&screen, i == 0 ? "" : "\r\n", FirstCells(lines[i], columns), "\x1b[K");
    }
    absl::StrAppend(&screen, "\x1b[J\x1b[", rows, ";1H",
                    FirstCells("q quits; sluice admin cancel CALL ends one", columns), "\x1b[K");
    Print(screen);
    std::fflush(stdout);
  }

  // Whether somebody wants to quit, within so long.
  static bool WantsToQuit(absl::Duration within) {
    const absl::Time end = absl::Now() + within;
    for (;;) {
      pollfd input = {STDIN_FILENO, POLLIN, 0};
      const auto patience = static_cast<int>(absl::ToInt64Milliseconds(end - absl::Now()));
      if (patience <= 0) return false;
      const int ready = poll(&input, 1, patience);
      if (ready < 0 && errno == EINTR) return false;
      if (ready <= 0) continue;
      char key = 0;
      constexpr char kCtrlC = 3, kCtrlD = 4;
      const ssize_t got = read(STDIN_FILENO, &key, 1);
      if (got <= 0 || key == 'q' || key == 'Q' || key == kCtrlC || key == kCtrlD) return true;
    }
  }

 private:
  termios before_ = {};
};

absl::Status Take(const AdminClient& admin, Snapshot* snapshot) {
  using Stub = v1::Admin::Stub;
  // Who watches wants to be able to leave.
  constexpr absl::Duration kPatience = absl::Seconds(2);
  absl::Status status = admin.Call(&Stub::GetStatus, v1::GetStatusRequest(), &snapshot->status, kPatience);
  snapshot->taken_at = absl::Now();
  v1::ListCallsRequest calls;
  calls.set_page_size(20);
  if (status.ok()) status = admin.Call(&Stub::ListCalls, calls, &snapshot->calls, kPatience);
  v1::ListStatementsRequest statements;
  statements.set_count(10);
  if (status.ok()) status = admin.Call(&Stub::ListStatements, statements, &snapshot->statements, kPatience);
  return status;
}

int TopOnScreen(const AdminClient& admin, const Target& target, absl::Duration interval) {
  std::optional<Snapshot> before;
  Snapshot now;
  // What is wrong at the start is said where it stays.
  if (const absl::Status taken = Take(admin, &now); !taken.ok()) return FailAsOperator(target, taken);
  const FullScreen screen;
  std::string text = TopText(before, now);
  for (;;) {
    screen.Show(text);
    if (FullScreen::WantsToQuit(interval)) return kExitOk;
    Snapshot next;
    const absl::Status taken = Take(admin, &next);
    if (!taken.ok()) {
      // It may come back: a restart is worth watching.
      text = absl::StrCat("NO ANSWER from ", Printable(target.admin_target), ": ", Printable(taken.message()), "\n\n",
                          TopText(before, now));
      continue;
    }
    before = now;
    now = next;
    text = TopText(before, now);
  }
}

}  // namespace

int RunTop(const Target& target, const TopArguments& arguments) {
  const absl::StatusOr<AdminClient> admin = AdminClient::Open(target);
  if (!admin.ok()) return FailToOpen(admin.status());
  const absl::Duration interval = absl::Seconds(arguments.interval_seconds);
  if (arguments.count == 0 && isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0) {
    return TopOnScreen(*admin, target, interval);
  }
  std::optional<Snapshot> before;
  for (int i = 0; arguments.count == 0 || i < arguments.count; ++i) {
    if (i > 0) absl::SleepFor(interval);
    Snapshot now;
    if (const absl::Status taken = Take(*admin, &now); !taken.ok()) return FailAsOperator(target, taken);
    Print(absl::StrCat(i == 0 ? "" : "\n", TopText(before, now)));
    // Nobody reads any more.
    if (std::fflush(stdout) != 0) return kExitFailed;
    before = std::move(now);
  }
  return kExitOk;
}

}  // namespace sluice::cli
