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
  struct Options {
    // Lines for postgresql.conf, such as "max_connections = 60".
    std::vector<std::string> settings;
    // Lines of pg_hba.conf; empty for trust.
    std::string access_rules;
    // Listens on 127.0.0.1 too, at port().
    bool tcp = false;
    // A hot standby of that one, with its settings; null for a server of its own.
    const PostgresServer* standby_of = nullptr;
  };

  explicit PostgresServer(const Options& options);
  explicit PostgresServer(const std::vector<std::string>& settings = {}) : PostgresServer(WithSettings(settings)) {}
  ~PostgresServer();

  // postgresql://postgres@/<database>?host=<directory>
  std::string Url(const std::string& database = "postgres", const std::string& user = "postgres") const;
  // The same for libpq: "host=... dbname=...".
  std::string ConnectionString(const std::string& database = "postgres") const;
  const std::string& socket_directory() const { return directory_.path(); }
  int port() const { return port_; }

  void Start();
  // fast: SIGINT; immediate: SIGQUIT
  void Stop(int signal);
  // Of the server process itself.
  Process& process() { return *process_; }

 private:
  void CopyCluster();
  void CopyFrom(const PostgresServer& primary);
  static Options WithSettings(const std::vector<std::string>& settings) {
    Options options;
    options.settings = settings;
    return options;
  }

  TempDir directory_;
  int port_ = 5432;
  std::unique_ptr<Process> process_;
};

// PostgreSQL's own programs: initdb, postgres.
std::string PostgresProgram(const std::string& name);

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_POSTGRES_SERVER_H_
