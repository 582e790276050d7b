#include "tests/support/secure_postgres.h"

#include "absl/strings/str_cat.h"
#include "tests/support/direct.h"

namespace sluice::testing_support {

SecurePostgres::SecurePostgres() : server_(OptionsWithTls()) {
  Direct(server_.ConnectionString()).Run("CREATE ROLE app LOGIN PASSWORD 'pa$$word'");
}

std::string SecurePostgres::Url(const std::string& password, const std::string& host, const std::string& query) const {
  return absl::StrCat("postgresql://app:", password, "@", host, ":", server_.port(), "/postgres?", query);
}

PostgresServer::Options SecurePostgres::OptionsWithTls() const {
  PostgresServer::Options options;
  options.tcp = true;
  options.settings = {"ssl = on", "ssl_cert_file = '" + certificate_.cert + "'",
                      "ssl_key_file = '" + certificate_.key + "'", "password_encryption = 'scram-sha-256'"};
  options.access_rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
  return options;
}

}  // namespace sluice::testing_support
