#include "server/postgres/address.h"

#include <netdb.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sluice::postgres {
namespace {

absl::StatusOr<std::vector<Address>> UnixSocket(const std::string& directory, const std::string& port) {
  Address address;
  address.name = absl::StrCat(directory, "/.s.PGSQL.", port);
  auto* socket = reinterpret_cast<sockaddr_un*>(&address.socket);
  socket->sun_family = AF_UNIX;
  if (address.name.size() >= sizeof(socket->sun_path)) return absl::NotFoundError("the path is too long for a socket");
  std::memcpy(socket->sun_path, address.name.data(), address.name.size());
  address.size = sizeof(sockaddr_un);
  if (directory[0] == '@') {
    // Linux's abstract sockets have no file, and a name that begins with NUL and ends with its size.
    socket->sun_path[0] = '\0';
    address.size = offsetof(sockaddr_un, sun_path) + address.name.size();
  }
  return std::vector<Address>{address};
}

}  // namespace

absl::StatusOr<std::vector<Address>> Resolve(const std::string& host, const std::string& port) {
  if (absl::StartsWith(host, "/") || absl::StartsWith(host, "@")) return UnixSocket(host, port);
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

}  // namespace sluice::postgres
