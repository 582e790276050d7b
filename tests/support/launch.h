#ifndef SLUICE_TESTS_SUPPORT_LAUNCH_H_
#define SLUICE_TESTS_SUPPORT_LAUNCH_H_

#include <map>
#include <string>
#include <vector>

namespace sluice::testing_support {

// What a child process needs to become another program, made before the fork: another thread may have had the
// allocator's lock just then, and never gives it back to the child (ASan's does not look after that).
class Launch {
 public:
  // `command` must outlive it; a program without a slash is looked for in this one's PATH. `changes`: to this
  // program's own environment; an empty value removes a variable.
  Launch(const std::vector<std::string>& command, const std::map<std::string, std::string>& changes);
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  // In the child. Allocates nothing.
  [[noreturn]] void Execute() const;

 private:
  std::vector<std::string> variables_;
  // Each ends in a null.
  std::vector<char*> arguments_, environment_;
  std::string complaint_;
};

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_LAUNCH_H_
