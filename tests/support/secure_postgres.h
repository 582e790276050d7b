#ifndef SLUICE_TESTS_SUPPORT_SECURE_POSTGRES_H_
#define SLUICE_TESTS_SUPPORT_SECURE_POSTGRES_H_

#include <string>

#include "tests/support/certificates.h"
#include "tests/support/postgres_server.h"

namespace sluice::testing_support {

// A PostgreSQL that listens on 127.0.0.1 and takes nobody there without TLS and a password: a
// role `app` with the password pa$$word. Its certificate is of the host name localhost.
class SecurePostgres {
 public:
  SecurePostgres();

  // postgresql://app:<password>@<host>:<port>/postgres?<query>; the password percent-encoded.
  std::string Url(const std::string& password, const std::string& host, const std::string& query) const;
  // As above, with app's own password.
  std::string Url(const std::string& host, const std::string& query) const { return Url("pa%24%24word", host, query); }
  // sslrootcert=<the CA of its certificate>
  std::string TrustedCa() const { return "sslrootcert=" + certificates_.ca(); }

  PostgresServer& server() { return server_; }

 private:
  PostgresServer::Options OptionsWithTls() const;

  const Certificates certificates_;
  const Certificates::Pair certificate_ = certificates_.Issue("postgres", "DNS:localhost");
  PostgresServer server_;
};

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_SECURE_POSTGRES_H_
