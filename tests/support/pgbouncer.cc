#include "tests/support/pgbouncer.h"

#include <signal.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "tests/support/direct.h"

namespace sluice::testing_support {

PgBouncer::PgBouncer(const PostgresServer& postgres, const Options& options) {
  std::string ini = absl::StrCat("[databases]\n* = host=", postgres.socket_directory(),
                                 " user=postgres\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n",
                                 "unix_socket_dir = ", directory_.path(), "\nauth_type = any\nadmin_users = postgres\n",
                                 "pool_mode = ", options.pool_mode, "\ndefault_pool_size = ", options.default_pool_size,
                                 "\nmax_client_conn = ", options.max_client_conn,
                                 "\nignore_startup_parameters = extra_float_digits\n",
                                 // Who is refused is to hear it from the pooler, not from the kernel.
                                 "listen_backlog = 4096\n");
  for (const std::string& setting : options.settings) absl::StrAppend(&ini, setting, "\n");
  directory_.Write("pgbouncer.ini", ini);
  Start();
}

void PgBouncer::Start() {
  const char* other = std::getenv("PGBOUNCER");
  Process::Options process;
  process.command = {other != nullptr ? other : "/usr/sbin/pgbouncer", directory_.File("pgbouncer.ini")};
  process.output_path = directory_.File("pgbouncer.log");
  process.unprivileged = true;
  process_ = std::make_unique<Process>(process);
  if (!Eventually([this] { return Direct::IsReachable(ConnectionString()); })) {
    std::fprintf(stderr, "pgbouncer does not start:\n%s\n", log().c_str());
    std::abort();
  }
}

bool PgBouncer::Revive() {
  if (process_->IsRunning()) return false;
  Start();
  return true;
}

// From 1.23 on SIGTERM waits for the clients to leave, and SIGQUIT does what it did.
bool PgBouncer::WaitsForClients() const {
  constexpr absl::string_view kSaysItsVersion = "process up: PgBouncer 1.";
  const std::string text = log();
  const size_t at = text.find(std::string(kSaysItsVersion));
  return at != std::string::npos && std::atoi(text.c_str() + at + kSaysItsVersion.size()) >= 23;
}

void PgBouncer::Stop(int signal) {
  process_->Signal(signal == SIGTERM && WaitsForClients() ? SIGQUIT : signal);
  process_->Wait();
}

std::string PgBouncer::Url(const std::string& database) const {
  return absl::StrCat("postgresql://postgres@/", database, "?host=", directory_.path(), "&port=6432");
}

std::string PgBouncer::ConnectionString(const std::string& database) const {
  return absl::StrCat("host=", directory_.path(), " port=6432 user=postgres dbname=", database);
}

}  // namespace sluice::testing_support
