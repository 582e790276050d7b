#ifndef SLUICE_SERVER_AUTH_CALLER_H_
#define SLUICE_SERVER_AUTH_CALLER_H_

#include <string>

namespace sluice::auth {

// What a caller may do. A right that no RPC asks for yet is kept for the one that will.
struct Permissions {
  bool sql = false;
  bool read_only = false;  // SQL in READ ONLY transactions
  bool copy = false;
  bool listen = false;
  bool impersonate = false;
  bool group_commit = false;  // its writes may share a transaction
  bool admin = false;
};

// An identified principal.
struct Caller {
  std::string name;
  Permissions may;
};

}  // namespace sluice::auth

#endif  // SLUICE_SERVER_AUTH_CALLER_H_
