#include "server/admin/knock.h"

#include <poll.h>

#include <cerrno>

#include "absl/time/clock.h"
#include "server/base/system.h"

namespace sluice::admin {

using postgres::Address;

namespace {

// False at the deadline.
bool Await(const Socket& socket, int16_t events, absl::Time deadline) {
  for (;;) {
    const int left_ms = static_cast<int>(absl::ToInt64Milliseconds(deadline - absl::Now()));
    if (left_ms <= 0) return false;
    pollfd wait = {socket.descriptor(), events, 0};
    if (poll(&wait, 1, left_ms) > 0) return true;
  }
}

absl::Status Connect(const Socket& socket, const Address& address, absl::Time deadline) {
  const auto* where = reinterpret_cast<const sockaddr*>(&address.socket);
  if (connect(socket.descriptor(), where, address.size) == 0) return absl::OkStatus();
  if (errno != EINPROGRESS) return absl::UnavailableError(SystemText(errno));
  if (!Await(socket, POLLOUT, deadline)) return absl::UnavailableError("no answer: timed out");
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket.descriptor(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? absl::OkStatus() : absl::UnavailableError(SystemText(error));
}

}  // namespace

absl::StatusOr<Answer> Knock(const Address& address, absl::Time deadline) {
  const Socket socket(address.socket.ss_family, SOCK_NONBLOCK);
  if (socket.descriptor() < 0) return absl::UnavailableError(SystemText(errno));
  if (absl::Status connected = Connect(socket, address, deadline); !connected.ok()) return connected;
  // PostgreSQL's SSLRequest: its length, and a number that is no protocol version.
  constexpr unsigned char kSslRequest[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};
  if (send(socket.descriptor(), kSslRequest, sizeof(kSslRequest), MSG_NOSIGNAL) != sizeof(kSslRequest)) {
    return Answer::kNothing;
  }
  char answer = 0;
  if (!Await(socket, POLLIN, deadline)) return Answer::kSilence;
  if (recv(socket.descriptor(), &answer, 1, 0) != 1) return Answer::kNothing;
  if (answer == 'S') return Answer::kOffersTls;
  // 'E' is how a server that is too old, or too busy, begins its error.
  return answer == 'N' || answer == 'E' ? Answer::kPlain : Answer::kNothing;
}

}  // namespace sluice::admin
