#ifndef SLUICE_SERVER_BASE_PEM_H_
#define SLUICE_SERVER_BASE_PEM_H_

#include <string>

#include "absl/status/status.h"

namespace sluice {

// PEM texts, looked at before gRPC gets them: of a broken one it says no more than that it can not
// listen, or that it can not connect.

// At least one certificate, and all of them readable.
absl::Status CheckCertificates(const std::string& pem);

// A private key without a passphrase, which belongs to the first certificate of the chain; and OpenSSL
// takes both, as its security level asks for.
absl::Status CheckKey(const std::string& key_pem, const std::string& chain_pem);

}  // namespace sluice

#endif  // SLUICE_SERVER_BASE_PEM_H_
