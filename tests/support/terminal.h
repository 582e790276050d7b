#ifndef SLUICE_TESTS_SUPPORT_TERMINAL_H_
#define SLUICE_TESTS_SUPPORT_TERMINAL_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace sluice::testing_support {

// A program on a terminal of its own, 24 lines of 80, and who sits before it. The program is killed with the object.
class Terminal {
 public:
  Terminal(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void Type(const std::string& keys);
  // Waits until it has shown a text behind what was waited for last; false if it does not within 30 s. Types `keys`
  // every second: what is typed while a program sets its terminal up, or handles Ctrl-C, may be lost.
  bool Shows(const std::string& text, const std::string& keys = "");
  // All that it has shown.
  const std::string& screen() const { return screen_; }
  // Waits for the program's end, and kills it after 30 s; its exit code, or 128 + the signal that ended it. `keys` as
  // above.
  int Wait(const std::string& keys = "");

 private:
  void TypeNowAndThen(const std::string& keys);
  // False at the end.
  bool Read();

  int terminal_ = -1;
  pid_t pid_ = -1;
  absl::Time typed_at_ = absl::InfinitePast();
  std::string screen_;
  size_t seen_ = 0;
};

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_TERMINAL_H_
