#include "server/base/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/strings/numbers.h"

namespace sluice {
namespace {

std::string TakeVariable(const char* name) {
  const char* const value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  return text;
}

}  // namespace

ServiceManager ServiceManager::OfEnvironment() {
  ServiceManager manager;
  manager.address_ = TakeVariable("NOTIFY_SOCKET");
  const std::string interval = TakeVariable("WATCHDOG_USEC"), whom = TakeVariable("WATCHDOG_PID");
  int64_t us = 0, pid = 0;
  const bool is_for_us = whom.empty() || (absl::SimpleAtoi(whom, &pid) && pid == getpid());
  if (is_for_us && absl::SimpleAtoi(interval, &us) && us > 0) manager.watchdog_interval_ = absl::Microseconds(us);
  return manager;
}

void ServiceManager::Tell(absl::string_view state) const {
  sockaddr_un to = {};
  to.sun_family = AF_UNIX;
  if (address_.empty() || address_.size() >= sizeof(to.sun_path)) return;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  // An abstract one, which is known by its length.
  if (address_[0] == '@') to.sun_path[0] = '\0';
  const int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  (void)sendto(socket_fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&to),
               length);
  close(socket_fd);
}

}  // namespace sluice
