#include "client/cli/line_editor.h"

#include <fcntl.h>
#include <histedit.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cwchar>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace sluice::cli {
namespace {

std::string HistoryPath() {
  if (const char* path = std::getenv("SLUICE_HISTORY")) return path;
  const char* home = std::getenv("HOME");
  return home == nullptr ? "" : absl::StrCat(home, "/.sluice_history");
}

class Terminal : public LineEditor {
 public:
  explicit Terminal(const Interrupts* interrupts)
      : interrupts_(*interrupts),
        history_(history_init(), history_end),
        editor_(el_init("sluice", stdin, stdout, stderr), el_end),
        path_(HistoryPath()) {
    constexpr int kStatementsMax = 1000;
    HistEvent event;
    history(history_.get(), &event, H_SETSIZE, kStatementsMax);
    history(history_.get(), &event, H_SETUNIQUE, 1);
    if (keeps_history()) history(history_.get(), &event, H_LOAD, path_.c_str());
    el_set(editor_.get(), EL_CLIENTDATA, this);
    el_set(editor_.get(), EL_PROMPT, &Terminal::Prompt);
    el_set(editor_.get(), EL_EDITOR, "emacs");
    el_set(editor_.get(), EL_HIST, history, history_.get());
    el_set(editor_.get(), EL_BIND, "^R", "em-inc-search-prev", nullptr);
    // What is pasted has tabs, which are a part of it.
    el_set(editor_.get(), EL_BIND, "^I", "ed-insert", nullptr);
    // Ctrl-C is the shell's.
    el_set(editor_.get(), EL_SIGNAL, 0);
    el_set(editor_.get(), EL_GETCFN, &Terminal::GetCharacter);
    el_source(editor_.get(), nullptr);
  }

  Got Read(const std::string& prompt, std::string* line) override {
    prompt_ = prompt;
    int length = 0;
    interrupted_ = false;
    const char* text = el_gets(editor_.get(), &length);
    if (text != nullptr && length > 0) {
      *line = std::string(absl::StripSuffix(absl::string_view(text, static_cast<size_t>(length)), "\n"));
      return Got::kLine;
    }
    if (interrupted_) {
      // What was typed so far is forgotten.
      el_reset(editor_.get());
      std::fputs("^C\n", stdout);
      return Got::kInterrupted;
    }
    std::fputs("\n", stdout);
    return Got::kEnd;
  }

  void Remember(const std::string& statement) override {
    HistEvent event;
    history(history_.get(), &event, H_ENTER, statement.c_str());
    if (!keeps_history()) return;
    // Statements may have secrets in them.
    const int file = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file < 0) return;
    close(file);
    history(history_.get(), &event, H_SAVE, path_.c_str());
  }

 private:
  // Nothing is done to what is no file of one's own, such as /dev/null.
  bool keeps_history() const {
    struct stat facts = {};
    return !path_.empty() && (stat(path_.c_str(), &facts) != 0 || S_ISREG(facts.st_mode));
  }

  static char* Prompt(EditLine* editor) {
    Terminal* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return self->prompt_.data();
  }

  // One character, or that Ctrl-C was pressed: which must not be missed between the prompt and the wait.
  static int GetCharacter(EditLine* editor, wchar_t* character) {
    Terminal* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    std::mbstate_t state = {};
    for (;;) {
      pollfd waits[2] = {{STDIN_FILENO, POLLIN, 0}, {self->interrupts_.idle_descriptor(), POLLIN, 0}};
      if (poll(waits, 2, -1) < 0) continue;  // the terminal's size, or that it was stopped
      if (waits[1].revents != 0) {
        self->interrupts_.TakeIdle();
        self->interrupted_ = true;
        return -1;
      }
      char byte;
      const ssize_t got = read(STDIN_FILENO, &byte, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return static_cast<int>(got);
      const size_t length = std::mbrtowc(character, &byte, 1, &state);
      if (length == static_cast<size_t>(-2)) continue;  // a part of one
      if (length != static_cast<size_t>(-1)) return 1;
      state = {};  // no character of this encoding
    }
  }

  const Interrupts& interrupts_;
  bool interrupted_ = false;
  const std::unique_ptr<History, void (*)(History*)> history_;
  const std::unique_ptr<EditLine, void (*)(EditLine*)> editor_;
  const std::string path_;
  std::string prompt_;
};

class Script : public LineEditor {
 public:
  Got Read(const std::string&, std::string* line) override {
    return std::getline(std::cin, *line) ? Got::kLine : Got::kEnd;
  }
  void Remember(const std::string&) override {}
};

}  // namespace

std::unique_ptr<LineEditor> TerminalLines(const Interrupts* interrupts) {
  return std::make_unique<Terminal>(interrupts);
}

std::unique_ptr<LineEditor> ScriptLines() { return std::make_unique<Script>(); }

}  // namespace sluice::cli
