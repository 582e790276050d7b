#include "client/cli/pager.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_replace.h"

namespace sluice::cli {
namespace {

std::string PagerCommand() {
  const char* pager = std::getenv("PAGER");
  return pager == nullptr ? "less -RS" : pager;
}

// It would swallow the answer.
bool IsThere(const std::string& command) {
  const std::string program = command.substr(0, command.find(' '));
  const std::string test = "command -v -- '" + absl::StrReplaceAll(program, {{"'", "'\\''"}}) + "' > /dev/null 2>&1";
  return std::system(test.c_str()) == 0;
}

// 0 if standard output is no terminal that can be paged.
int TerminalLinesOf() {
  winsize size = {};
  const char* term = std::getenv("TERM");
  const bool is_dumb = term == nullptr || std::string(term) == "dumb";
  if (is_dumb || PagerCommand().empty() || isatty(STDOUT_FILENO) == 0) return 0;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

}  // namespace

Pager::Pager() : lines_max_(TerminalLinesOf()) {}

Pager::~Pager() {
  std::fwrite(waiting_.data(), 1, waiting_.size(), stdout);
  std::fflush(stdout);
  if (pager_ != nullptr) pclose(pager_);
}

bool Pager::Write(const std::string& text) {
  if (lines_max_ > 0 && pager_ == nullptr) {
    lines_ += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    waiting_ += text;
    // The prompt takes one.
    if (lines_ >= lines_max_) Start();
    return true;
  }
  std::FILE* out = pager_ == nullptr ? stdout : pager_;
  return std::fwrite(text.data(), 1, text.size(), out) == text.size() && (pager_ == nullptr || std::fflush(out) == 0);
}

void Pager::Start() {
  const std::string command = PagerCommand();
  pager_ = IsThere(command) ? popen(command.c_str(), "w") : nullptr;
  if (pager_ == nullptr) {
    lines_max_ = 0;
    std::fwrite(waiting_.data(), 1, waiting_.size(), stdout);
    waiting_.clear();
    return;
  }
  std::fwrite(waiting_.data(), 1, waiting_.size(), pager_);
  std::fflush(pager_);
  waiting_.clear();
}

}  // namespace sluice::cli
