#include "server/auth/authenticator.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "server/base/errors.h"

namespace sluice::auth {
namespace {

Caller Anonymous() {
  Caller caller;
  caller.name = "anonymous";
  caller.may.sql = caller.may.read_only = caller.may.copy = caller.may.listen = true;
  caller.may.impersonate = caller.may.admin = true;
  return caller;
}

const KnownCaller* FindByToken(const std::vector<KnownCaller>& callers, absl::string_view token) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), hash);
  const KnownCaller* found = nullptr;
  // To the end, whatever is found: time tells nothing.
  for (const KnownCaller& candidate : callers) {
    for (const auto& known : candidate.token_hashes) {
      if (CRYPTO_memcmp(hash, known.data(), known.size()) == 0) found = &candidate;
    }
  }
  return found;
}

const KnownCaller* FindByCertificate(const std::vector<KnownCaller>& callers, const std::vector<std::string>& sans) {
  for (const KnownCaller& candidate : callers) {
    for (const std::string& known : candidate.certificate_sans) {
      if (std::find(sans.begin(), sans.end(), known) != sans.end()) return &candidate;
    }
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<Caller> Authenticator::Identify(const Credentials& credentials) const {
  const Callers known = callers();
  if (known == nullptr) return Anonymous();
  const KnownCaller* found = nullptr;
  if (credentials.authorization.has_value()) {
    absl::string_view token = *credentials.authorization;
    constexpr absl::string_view kScheme = "Bearer ";
    if (!absl::StartsWithIgnoreCase(token, kScheme) || token.size() == kScheme.size()) return errors::TokenInvalid();
    token.remove_prefix(kScheme.size());
    found = FindByToken(*known, token);
  } else if (!credentials.certificate_sans.empty()) {
    found = FindByCertificate(*known, credentials.certificate_sans);
  } else {
    return errors::TokenMissing();
  }
  if (found == nullptr) return errors::TokenInvalid();
  return found->caller;
}

void Authenticator::Replace(std::vector<KnownCaller> callers) {
  auto replacement = std::make_shared<const std::vector<KnownCaller>>(std::move(callers));
  MutexLock lock(&mu_);
  callers_ = std::move(replacement);
}

Authenticator::Callers Authenticator::callers() const {
  MutexLock lock(&mu_);
  return callers_;
}

}  // namespace sluice::auth
