#ifndef SLUICE_SERVER_POSTGRES_ADDRESS_H_
#define SLUICE_SERVER_POSTGRES_ADDRESS_H_

#include <sys/socket.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice::postgres {

// Where a server may listen: of one host name there can be several.
struct Address {
  std::string name;  // "192.0.2.1", "2001:db8::1", "/run/postgresql/.s.PGSQL.5432"
  sockaddr_storage socket = {};
  socklen_t size = 0;
};

// NOT_FOUND with the resolver's own words. A host that begins with / is the directory of a
// unix socket, as libpq has it, and one that begins with @ the name of an abstract one. Blocks for as long as the
// resolver does (resolv.conf: by default 5 s and two attempts for each name server).
absl::StatusOr<std::vector<Address>> Resolve(const std::string& host, const std::string& port);

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_ADDRESS_H_
