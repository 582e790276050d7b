#ifndef SLUICE_SERVER_BASE_SYSTEM_H_
#define SLUICE_SERVER_BASE_SYSTEM_H_

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <system_error>

namespace sluice {

// What the system says of an errno.
inline std::string SystemText(int error) { return std::generic_category().message(error); }

// How many descriptors the process may have.
inline int64_t DescriptorsMax() {
  rlimit limit = {};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<int64_t>(limit.rlim_cur) : 0;
}

// Lets it have as many as the system would let it: often 1,024 are given (by systemd), and half a million may be had.
inline void RaiseDescriptorsMax() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// A stream socket that is closed at its end; `descriptor` is negative if there could be none.
class Socket {
 public:
  // `flags`: SOCK_NONBLOCK, or none.
  explicit Socket(int family, int flags = 0) : descriptor_(socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)) {}
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_BASE_SYSTEM_H_
