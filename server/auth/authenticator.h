#ifndef SLUICE_SERVER_AUTH_AUTHENTICATOR_H_
#define SLUICE_SERVER_AUTH_AUTHENTICATOR_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/auth/callers.h"
#include "server/base/mutex.h"

namespace sluice::auth {

// What came with an RPC.
struct Credentials {
  // The value of the authorization header; unset without one.
  std::optional<std::string> authorization;
  // Of a client certificate that TLS has verified.
  std::vector<std::string> certificate_sans;
};

// Tells who calls. Thread-safe.
class Authenticator {
 public:
  // Everybody is "anonymous" and may do anything: on loopback, or with --insecure.
  Authenticator() = default;
  explicit Authenticator(std::vector<KnownCaller> callers) { Replace(std::move(callers)); }

  // TOKEN_MISSING, TOKEN_INVALID. A token decides when there is one; takes the same time
  // whichever caller it belongs to, or none.
  absl::StatusOr<Caller> Identify(const Credentials& credentials) const;

  // From the next Identify on.
  void Replace(std::vector<KnownCaller> callers);

 private:
  // Shared with the calls that are being identified while it is replaced.
  using Callers = std::shared_ptr<const std::vector<KnownCaller>>;
  Callers callers() const;

  mutable Mutex mu_;
  Callers callers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sluice::auth

#endif  // SLUICE_SERVER_AUTH_AUTHENTICATOR_H_
