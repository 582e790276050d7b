#ifndef SLUICE_TESTS_SUPPORT_CERTIFICATES_H_
#define SLUICE_TESTS_SUPPORT_CERTIFICATES_H_

#include <string>

#include "tests/support/temp_dir.h"

namespace sluice::testing_support {

// A certificate authority of the test's own, made with the openssl program.
class Certificates {
 public:
  Certificates();

  std::string ca() const { return directory_.File("ca.pem"); }

  struct Pair {
    std::string cert, key;
  };
  // Signed by the CA, for these names: "DNS:localhost,IP:127.0.0.1".
  Pair Issue(const std::string& name, const std::string& subject_alternative_names) const;
  // Of a key that is too short to be taken: self-signed, RSA of 1,024 bits.
  Pair IssueWeak() const;

 private:
  TempDir directory_;
};

// SHA-256 of a token, as a file of callers has it.
std::string TokenHash(const std::string& token);

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_CERTIFICATES_H_
