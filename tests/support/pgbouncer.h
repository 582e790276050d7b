#ifndef SLUICE_TESTS_SUPPORT_PGBOUNCER_H_
#define SLUICE_TESTS_SUPPORT_PGBOUNCER_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/support/postgres_server.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace sluice::testing_support {

// A real PgBouncer in front of a PostgresServer, on a unix socket. The environment variable
// PGBOUNCER names another binary than Debian's.
class PgBouncer {
 public:
  struct Options {
    std::string pool_mode = "transaction";
    // Supabase's own numbers.
    int default_pool_size = 15;
    int max_client_conn = 200;
    // Further lines for [pgbouncer].
    std::vector<std::string> settings;
  };

  PgBouncer(const PostgresServer& postgres, const Options& options);

  std::string Url(const std::string& database = "postgres") const;
  std::string ConnectionString(const std::string& database = "postgres") const;
  // Of its socket, whose port is 6432.
  const std::string& directory() const { return directory_.path(); }
  std::string log() const { return ReadFile(directory_.File("pgbouncer.log")); }

  void Start();
  // Starts it if it has ended by itself, as a supervisor does; returns whether it had.
  bool Revive();
  // Ends it with a signal; SIGTERM cuts all connections at once, whatever its version.
  void Stop(int signal);

 private:
  bool WaitsForClients() const;

  TempDir directory_;
  std::unique_ptr<Process> process_;
};

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_PGBOUNCER_H_
