#include "tests/faults/blows.h"

#include <signal.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

using testing_support::Direct;
using testing_support::Eventually;

constexpr char kClients[] = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

}  // namespace

void EndBackends(const testing_support::PostgresServer& postgres, const std::string& how_many) {
  Direct(postgres.ConnectionString())
      .Run(absl::StrCat("SELECT pg_terminate_backend(pid) FROM (SELECT pid ", kClients, " ORDER BY random() LIMIT ",
                        how_many, ") chosen"));
}

bool KillABackend(const testing_support::PostgresServer& postgres) {
  const auto pids =
      Direct(postgres.ConnectionString())
          .Execute(absl::StrCat("SELECT pid ", kClients, " ORDER BY state <> 'active', random() LIMIT 1"));
  int pid = 0;
  if (pids.rows.size() == 1 && absl::SimpleAtoi(*pids.rows[0][0], &pid)) kill(pid, SIGKILL);
  return Eventually([&postgres] { return Direct::IsReachable(postgres.ConnectionString()); });
}

bool ComesToRest(Direct* database) {
  return Eventually([database] {
    return database->Value(absl::StrCat("SELECT count(*) ", kClients, " AND state <> 'idle'")) == "0";
  });
}

}  // namespace sluice
