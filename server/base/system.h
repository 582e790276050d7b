#ifndef SLUICE_SERVER_BASE_SYSTEM_H_
#define SLUICE_SERVER_BASE_SYSTEM_H_

#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <system_error>

namespace sluice {

// What the system says of an errno.
inline std::string SystemText(int error) { return std::generic_category().message(error); }

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
