#ifndef SLUICE_SERVER_POSTGRES_ENDPOINTS_H_
#define SLUICE_SERVER_POSTGRES_ENDPOINTS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice::postgres {

// libpq's connection parameters by keyword: host, port, user, password, dbname, sslmode ...
using ConnectionParameters = std::map<std::string, std::string>;

// One of the servers that libpq would try.
struct Endpoint {
  // A name, an address, or the directory of a unix socket. Never empty, unless there is a hostaddr.
  std::string host;
  // Where to connect to instead of asking the resolver for `host`; may be empty.
  std::string hostaddr;
  std::string port;

  bool is_socket() const { return hostaddr.empty() && (host[0] == '/' || host[0] == '@'); }
};

// The lists host, hostaddr and port, with what libpq takes for those that are missing: PGHOST,
// PGHOSTADDR, PGPORT, and its own defaults. INVALID_ARGUMENT if their lengths do not go together.
absl::StatusOr<std::vector<Endpoint>> Endpoints(const ConnectionParameters& parameters);

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_ENDPOINTS_H_
