#include "server/rpc/listening.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "server/base/system.h"

namespace sluice::rpc {
namespace {

// Nullopt if the path does not fit.
std::optional<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return std::nullopt;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

std::string WhyNotBind(int family, const sockaddr* address, socklen_t size) {
  const Socket socket(family);
  if (socket.descriptor() < 0) return SystemText(errno);
  // As gRPC does: what is left of earlier connections is no hindrance.
  const int yes = 1;
  setsockopt(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const bool listens = bind(socket.descriptor(), address, size) == 0 && listen(socket.descriptor(), 1) == 0;
  return listens ? "gRPC does not say why, and the system would allow it" : SystemText(errno);
}

std::string WhyNotListenOnSocket(const std::string& path) {
  const std::optional<sockaddr_un> address = UnixAddress(path);
  if (!address.has_value()) return "the path is too long for a socket";
  return WhyNotBind(AF_UNIX, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address));
}

}  // namespace

bool IsServedSocket(const std::string& address) {
  if (!absl::StartsWith(address, "unix:")) return false;
  const std::optional<sockaddr_un> where = UnixAddress(address.substr(5));
  if (!where.has_value()) return false;
  const Socket socket(AF_UNIX);
  return connect(socket.descriptor(), reinterpret_cast<const sockaddr*>(&*where), sizeof(*where)) == 0;
}

std::string WhyNotListen(const std::string& address) {
  if (absl::StartsWith(address, "unix:")) return WhyNotListenOnSocket(address.substr(5));
  const size_t colon = address.rfind(':');
  absl::string_view host = absl::string_view(address).substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(std::string(host).c_str(), address.substr(colon + 1).c_str(), &hints, &found);
  if (error != 0) return gai_strerror(error);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> first(found, &freeaddrinfo);
  return WhyNotBind(first->ai_family, first->ai_addr, first->ai_addrlen);
}

}  // namespace sluice::rpc
