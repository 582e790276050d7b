#include "server/rpc/credentials.h"

#include <grpcpp/security/auth_context.h>

#include <iterator>
#include <string>

namespace sluice::rpc {

auth::Credentials CredentialsOf(const grpc::CallbackServerContext& context) {
  auth::Credentials credentials;
  const auto& metadata = context.client_metadata();
  const auto [header, end] = metadata.equal_range("authorization");
  if (header != end) credentials.authorization = std::string(header->second.data(), header->second.size());
  // Two are one too many to believe any.
  if (header != end && std::next(header) != end) credentials.authorization = "";
  for (const grpc::string_ref& san : context.auth_context()->FindPropertyValues("x509_subject_alternative_name")) {
    credentials.certificate_sans.emplace_back(san.data(), san.size());
  }
  return credentials;
}

}  // namespace sluice::rpc
