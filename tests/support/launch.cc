#include "tests/support/launch.h"

#include <unistd.h>

namespace sluice::testing_support {
namespace {

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Launch::Launch(const std::vector<std::string>& command, const std::map<std::string, std::string>& changes)
    : arguments_(Pointers(command)), complaint_("can not run " + command[0] + "\n") {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (changes.count(text.substr(0, text.find('='))) == 0) variables_.push_back(text);
  }
  for (const auto& [name, value] : changes) {
    if (!value.empty()) variables_.push_back(name + "=" + value);
  }
  environment_ = Pointers(variables_);
}

void Launch::Execute() const {
  execvpe(arguments_[0], arguments_.data(), environment_.data());
  const ssize_t ignored = write(STDERR_FILENO, complaint_.data(), complaint_.size());
  (void)ignored;
  _exit(127);
}

}  // namespace sluice::testing_support
