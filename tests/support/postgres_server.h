#ifndef SLUICE_TESTS_SUPPORT_POSTGRES_SERVER_H_
#define SLUICE_TESTS_SUPPORT_POSTGRES_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace sluice::testing_support {

// A real PostgreSQL of its own in a temporary directory, on a unix socket only (so that no
// port can be taken), with fsync off. Superuser `postgres`, no password.
class PostgresServer {
 public:
  // Lines for postgresql.conf, such as "max_connections = 60".
  explicit PostgresServer(const std::vector<std::string>& settings = {});
  ~PostgresServer();

  // postgresql://postgres@/<database>?host=<directory>
  std::string Url(const std::string& database = "postgres", const std::string& user = "postgres") const;
  // The same for libpq: "host=... dbname=...".
  std::string ConnectionString(const std::string& database = "postgres") const;
  const std::string& socket_directory() const { return directory_.path(); }

  void Start();
  // fast: SIGINT; immediate: SIGQUIT
  void Stop(int signal);
  // Of the server process itself.
  Process& process() { return *process_; }

 private:
  TempDir directory_;
  std::unique_ptr<Process> process_;
};

// PostgreSQL's own programs: initdb, postgres.
std::string PostgresProgram(const std::string& name);

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_POSTGRES_SERVER_H_
