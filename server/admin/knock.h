#ifndef SLUICE_SERVER_ADMIN_REACH_H_
#define SLUICE_SERVER_ADMIN_REACH_H_

#include <sys/socket.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sluice::admin {

// Where a server may listen: of one host name there can be several.
struct Address {
  std::string name;  // "192.0.2.1", "2001:db8::1", "/run/postgresql/.s.PGSQL.5432"
  sockaddr_storage socket = {};
  socklen_t size = 0;
};

// NOT_FOUND with the resolver's own words. A host that begins with / is the directory of a
// unix socket, as libpq has it. Blocks for as long as the resolver does.
absl::StatusOr<std::vector<Address>> Resolve(const std::string& host, const std::string& port);

// What is behind an address.
enum class Answer {
  kNothing,   // it takes connections and says nothing that PostgreSQL would say
  kPlain,     // PostgreSQL, or a pooler, that offers no TLS
  kOffersTls  // one that does
};

// Connects, and asks for TLS as PostgreSQL's clients do before they log in. UNAVAILABLE, with
// the system's words, if no connection comes about until `deadline`.
absl::StatusOr<Answer> Knock(const Address& address, absl::Time deadline);

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_REACH_H_
