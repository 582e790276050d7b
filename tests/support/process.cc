#include "tests/support/process.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/time/clock.h"
#include "tests/support/launch.h"
#include "tests/support/temp_dir.h"

namespace sluice::testing_support {
namespace {

[[noreturn]] void RunChild(const Process::Options& options, const Launch& launch, const User* user) {
  const int output = open(options.output_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int input = open(options.input_path.c_str(), O_RDONLY);
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  if (user != nullptr && (setgroups(0, nullptr) != 0 || setgid(user->gid) != 0 || setuid(user->uid) != 0)) _exit(126);
  // A test that crashes leaves nothing behind.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  launch.Execute();
}

pid_t Start(const Process::Options& options) {
  const Launch launch(options.command, options.environment);
  const User* user = options.unprivileged ? UnprivilegedUser() : nullptr;
  const pid_t pid = fork();
  if (pid == 0) RunChild(options, launch, user);
  return pid;
}

}  // namespace

const User* UnprivilegedUser() {
  static const User* const user = []() -> const User* {
    if (geteuid() != 0) return nullptr;
    for (const char* name : {"postgres", "nobody"}) {
      if (const passwd* entry = getpwnam(name)) return new User{entry->pw_uid, entry->pw_gid};
    }
    return nullptr;
  }();
  return user;
}

Process::Process(const Options& options) : pid_(Start(options)) {}

Process::~Process() {
  if (!IsRunning()) return;
  Signal(SIGKILL);
  Wait();
}

void Process::Signal(int signal) const {
  if (!ended_) kill(pid_, signal);
}

int Process::Wait() {
  if (!ended_) {
    waitpid(pid_, &status_, 0);
    ended_ = true;
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

bool Process::IsRunning() {
  if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return !ended_;
}

int64_t StatusOfProcess(pid_t pid, const std::string& key) {
  const std::string status = ReadFile("/proc/" + std::to_string(pid) + "/status");
  const size_t at = status.find("\n" + key + ":");
  if (at == std::string::npos) {
    std::fprintf(stderr, "there is no %s of process %d\n", key.c_str(), static_cast<int>(pid));
    std::abort();
  }
  return std::atoll(status.c_str() + at + key.size() + 2);
}

void RunOrDie(const Process::Options& options) {
  Process process(options);
  if (process.Wait() == 0) return;
  std::fprintf(stderr, "%s failed:\n%s\n", options.command[0].c_str(), ReadFile(options.output_path).c_str());
  std::abort();
}

bool Eventually(const std::function<bool()>& condition, absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

}  // namespace sluice::testing_support
