// sluiced: serves a PostgreSQL database over gRPC. See --help.

#include <grpc/support/log.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "server/base/arguments.h"
#include "server/base/service_manager.h"
#include "server/base/system.h"
#include "server/config/config.h"
#include "server/gateway.h"
#include "server/observe/log.h"
#include "server/postgres/session.h"
#include "server/version.h"

namespace sluice {
namespace {

// Exit codes of sysexits.h, for scripts and supervisors.
constexpr int kExitConfig = 78;
constexpr int kExitUnavailable = 69;

observe::LogFormat LogFormatOf(config::LogFormat format) {
  switch (format) {
    case config::LogFormat::kText: return observe::LogFormat::kText;
    case config::LogFormat::kJson: return observe::LogFormat::kJson;
    case config::LogFormat::kAuto: break;
  }
  return isatty(STDERR_FILENO) != 0 ? observe::LogFormat::kText : observe::LogFormat::kJson;
}

// The next of them; 0 if none comes within `patience`.
int AwaitSignal(const sigset_t& signals, absl::Duration patience) {
  int signal = 0;
  if (patience == absl::InfiniteDuration()) {
    sigwait(&signals, &signal);
    return signal;
  }
  const timespec time = absl::ToTimespec(patience);
  return std::max(sigtimedwait(&signals, nullptr, &time), 0);
}

// Waits for the end. Signals are blocked in all threads and taken here one by one.
std::string AwaitEnd(const sigset_t& signals, const ServiceManager& manager, Gateway* gateway) {
  // A third: one that comes late on a busy machine is no reason to be killed.
  const absl::Duration interval = manager.watchdog_interval() / 3;
  sigset_t ends;
  sigemptyset(&ends);
  for (int signal : {SIGTERM, SIGINT}) sigaddset(&ends, signal);
  for (;;) {
    // The kernel hands out SIGHUP first, of which there may always be another one.
    int signal = AwaitSignal(ends, absl::ZeroDuration());
    if (signal == 0) signal = AwaitSignal(signals, interval);
    if (signal == SIGHUP) {
      manager.Tell("STATUS=reads its settings again");
      gateway->Reload();
    }
    if (signal == SIGTERM || signal == SIGINT) return signal == SIGTERM ? "SIGTERM" : "SIGINT";
    // It takes the locks of the pool and the Line: of a gateway that is stuck in them, nobody hears that it is well.
    const observe::State state = gateway->state();
    manager.Tell(absl::StrCat(interval == absl::InfiniteDuration() ? "" : "WATCHDOG=1\n",
                              "STATUS=", state.ready ? "ready" : "no connection to the database", ", ",
                              state.calls_in_progress, " calls in progress"));
  }
}

// Whoever signals a process group and its leader sends two at once, and means one; and an operator who asks for the end
// while it begins means that.
void TakeEchoes() {
  constexpr timespec kAtOnce = {0, 100'000'000};
  sigset_t ends;
  sigemptyset(&ends);
  for (int signal : {SIGTERM, SIGINT}) sigaddset(&ends, signal);
  while (sigtimedwait(&ends, nullptr, &kAtOnce) > 0) {
  }
}

// Set once somebody has asked for the end: a second SIGTERM of our own would cut it short.
std::atomic<bool> end_was_asked_for{false};

int Main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  HideUrls(argc, argv);
  postgres::ForgetLibpqVariables();
  const ServiceManager manager = ServiceManager::OfEnvironment();

  const auto gather = [arguments] {
    return config::GatherSettings(
        arguments, [](const char* name) -> const char* { return std::getenv(name); }, ".env");
  };
  const config::RawSettings raw = gather();
  if (raw.help) {
    std::fputs(config::HelpText().c_str(), stdout);
    return 0;
  }
  if (raw.version) {
    std::printf("sluiced %s\n", kVersion);
    return 0;
  }
  std::vector<std::string> problems;
  const std::optional<config::Config> config = config::MakeConfig(raw, &problems);
  if (!config.has_value()) {
    std::fprintf(stderr, "sluiced: the configuration has %zu problem(s):\n", problems.size());
    for (const std::string& problem : problems) std::fprintf(stderr, "  %s\n", problem.c_str());
    return kExitConfig;
  }

  // Debian's Abseil looks for deadlocks at every lock, also of gRPC: 5 % of the gateway's time.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // gRPC's own lines would stand among ours; who looks for a fault in it can have them.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // Out of them, gRPC 1.51 takes no connection any more, ever (grpc/grpc#20418).
  RaiseDescriptorsMax();

  observe::Log::Options log_options;
  log_options.format = LogFormatOf(config->log_format);
  observe::Log log(log_options, STDERR_FILENO);
  Gateway::Process process;
  process.gather = gather;
  process.ask_for_reload = [] { kill(getpid(), SIGHUP); };
  process.ask_for_end = [] {
    if (!end_was_asked_for.exchange(true)) kill(getpid(), SIGTERM);
  };
  absl::StatusOr<std::unique_ptr<Gateway>> gateway = Gateway::Start(raw, *config, std::move(process), &log);
  if (!gateway.ok()) {
    std::fprintf(stderr, "sluiced: %s\n", std::string(gateway.status().message()).c_str());
    return absl::IsUnavailable(gateway.status()) ? kExitUnavailable : kExitConfig;
  }
  manager.Tell("READY=1");
  const std::string why = AwaitEnd(signals, manager, gateway->get());
  end_was_asked_for = true;
  // An operator may have given it more time than the manager would.
  manager.Tell(absl::StrCat("STOPPING=1\nSTATUS=drains\nEXTEND_TIMEOUT_USEC=",
                            absl::ToInt64Microseconds((*gateway)->drain_time_max())));
  TakeEchoes();
  // A second one ends the process at once; a SIGHUP is of no use any more.
  signal(SIGHUP, SIG_IGN);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  (*gateway)->Drain(why);
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::Main(argc, argv); }
