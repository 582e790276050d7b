#ifndef SLUICE_SERVER_CONFIG_DATABASE_URL_H_
#define SLUICE_SERVER_CONFIG_DATABASE_URL_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice::config {

struct DatabaseUrl {
  // libpq's connection parameters: host, port, user, password, dbname, sslmode, ...
  std::map<std::string, std::string> parameters;
  // Options of other drivers that mean nothing here, and why.
  struct Ignored {
    std::string option;
    std::string why;
  };
  std::vector<Ignored> ignored;

  // For people: without the password and the options, each host with its port.
  std::string Display() const;
};

// Understands postgresql:// and postgres://, with the name of any driver behind a plus
// (postgresql+asyncpg://), percent-encoding, several hosts, and the query options of
// libpq, asyncpg, SQLAlchemy and Prisma. The error never quotes the URL: it has a password.
absl::StatusOr<DatabaseUrl> ParseDatabaseUrl(absl::string_view url);

}  // namespace sluice::config

#endif  // SLUICE_SERVER_CONFIG_DATABASE_URL_H_
