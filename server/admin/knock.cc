#include "server/admin/reach.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sluice::admin {
namespace {

absl::StatusOr<std::vector<Address>> UnixSocket(const std::string& directory, const std::string& port) {
  Address address;
  address.name = absl::StrCat(directory, "/.s.PGSQL.", port);
  auto* socket = reinterpret_cast<sockaddr_un*>(&address.socket);
  socket->sun_family = AF_UNIX;
  if (address.name.size() >= sizeof(socket->sun_path)) return absl::NotFoundError("the path is too long for a socket");
  std::memcpy(socket->sun_path, address.name.data(), address.name.size());
  address.size = sizeof(sockaddr_un);
  return std::vector<Address>{address};
}

class Socket {
 public:
  explicit Socket(int family) : descriptor_(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int descriptor() const { return descriptor_; }

  // False at the deadline.
  bool Await(int16_t events, absl::Time deadline) const {
    for (;;) {
      const int left_ms = static_cast<int>(absl::ToInt64Milliseconds(deadline - absl::Now()));
      if (left_ms <= 0) return false;
      pollfd wait = {descriptor_, events, 0};
      if (poll(&wait, 1, left_ms) > 0) return true;
    }
  }

 private:
  const int descriptor_;
};

std::string SystemText(int error) { return std::generic_category().message(error); }

absl::Status Connect(const Socket& socket, const Address& address, absl::Time deadline) {
  const auto* where = reinterpret_cast<const sockaddr*>(&address.socket);
  if (connect(socket.descriptor(), where, address.size) == 0) return absl::OkStatus();
  if (errno != EINPROGRESS) return absl::UnavailableError(SystemText(errno));
  if (!socket.Await(POLLOUT, deadline)) return absl::UnavailableError("no answer: timed out");
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket.descriptor(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? absl::OkStatus() : absl::UnavailableError(SystemText(error));
}

}  // namespace

absl::StatusOr<std::vector<Address>> Resolve(const std::string& host, const std::string& port) {
  if (absl::StartsWith(host, "/")) return UnixSocket(host, port);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return absl::NotFoundError(gai_strerror(error));
  std::vector<Address> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Address address;
    char name[NI_MAXHOST];
    if (getnameinfo(one->ai_addr, one->ai_addrlen, name, sizeof(name), nullptr, 0, NI_NUMERICHOST) != 0) continue;
    address.name = name;
    std::memcpy(&address.socket, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
    addresses.push_back(address);
  }
  freeaddrinfo(found);
  if (addresses.empty()) return absl::NotFoundError("the name has no address");
  return addresses;
}

absl::StatusOr<Answer> Knock(const Address& address, absl::Time deadline) {
  const Socket socket(address.socket.ss_family);
  if (socket.descriptor() < 0) return absl::UnavailableError(SystemText(errno));
  if (absl::Status connected = Connect(socket, address, deadline); !connected.ok()) return connected;
  // PostgreSQL's SSLRequest: its length, and a number that is no protocol version.
  constexpr unsigned char kSslRequest[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};
  if (send(socket.descriptor(), kSslRequest, sizeof(kSslRequest), MSG_NOSIGNAL) != sizeof(kSslRequest)) {
    return Answer::kNothing;
  }
  char answer = 0;
  if (!socket.Await(POLLIN, deadline) || recv(socket.descriptor(), &answer, 1, 0) != 1) return Answer::kNothing;
  if (answer == 'S') return Answer::kOffersTls;
  // 'E' is how a server that is too old, or too busy, begins its error.
  return answer == 'N' || answer == 'E' ? Answer::kPlain : Answer::kNothing;
}

}  // namespace sluice::admin
