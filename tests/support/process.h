#ifndef SLUICE_TESTS_SUPPORT_PROCESS_H_
#define SLUICE_TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace sluice::testing_support {

struct User {
  uid_t uid;
  gid_t gid;
};
// Whom PostgreSQL and PgBouncer run as when the tests run as root, which both refuse;
// null when they do not.
const User* UnprivilegedUser();

// A child process, killed with the object. Its output goes to a file.
class Process {
 public:
  struct Options {
    std::vector<std::string> command;
    // Besides the test's own; an empty value removes a variable.
    std::map<std::string, std::string> environment;
    std::string output_path;
    std::string input_path = "/dev/null";
    bool unprivileged = false;
  };

  explicit Process(const Options& options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  // Waits for its end and returns its exit code, or 128 + the signal that ended it.
  int Wait();
  bool IsRunning();

 private:
  pid_t pid_;
  int status_ = -1;  // of waitpid, once it has ended
  bool ended_ = false;
};

// A figure that the kernel tells of a process (/proc/PID/status): "VmRSS" and "VmHWM" in KiB, "Threads". Aborts the
// test program if there is none.
int64_t StatusOfProcess(pid_t pid, const std::string& key);

// Runs a command to its end; aborts the test program with its output if it fails.
void RunOrDie(const Process::Options& options);

// Whether `condition` becomes true within `limit`.
bool Eventually(const std::function<bool()>& condition, absl::Duration limit = absl::Seconds(30));

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_PROCESS_H_
