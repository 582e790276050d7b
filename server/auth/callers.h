#ifndef SLUICE_SERVER_AUTH_CALLERS_H_
#define SLUICE_SERVER_AUTH_CALLERS_H_

#include <array>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/auth/caller.h"

namespace sluice::auth {

// How a caller may prove who it is.
struct KnownCaller {
  Caller caller;
  // SHA-256 of bearer tokens; several while one is replaced by another. A plain hash
  // does, since tokens are random: nobody guesses 128 bits, however fast the hash.
  std::vector<std::array<unsigned char, 32>> token_hashes;
  // Subject alternative names of client certificates.
  std::vector<std::string> certificate_sans;
};

// Reads the callers' file:
//   {"callers": [{"name": "checkout",
//                 "token_sha256": ["<64 hex digits>"],
//                 "certificate_san": ["spiffe://prod/checkout"],
//                 "permissions": ["sql"]}]}
// `token_sha256` and `certificate_san` may be one string; one of them is needed.
// Permissions: sql, read_only, copy, listen, impersonate, group_commit, admin. Unknown keys are
// refused. The error names the caller and the field, and never a hash.
absl::StatusOr<std::vector<KnownCaller>> ParseCallers(absl::string_view json);
absl::StatusOr<std::vector<KnownCaller>> LoadCallers(const std::string& path);

}  // namespace sluice::auth

#endif  // SLUICE_SERVER_AUTH_CALLERS_H_
