#ifndef SLUICE_TESTS_BENCHMARK_PEERS_H_
#define SLUICE_TESTS_BENCHMARK_PEERS_H_

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "tests/benchmark/tally.h"
#include "tests/benchmark/workload.h"

namespace sluice::benchmark {

// Where a peer connects to: a unix socket.
struct Server {
  std::string directory;
  int port = 0;
};

// pgbench in simple protocol, as it is recommended for transaction poolers: `clients` connections
// that are kept, two threads. A connection that is refused counts as a failure of all its calls.
Measurement MeasurePgbench(const Server& server, const Workload& workload, int clients, absl::Duration length);

// libpq on one connection, one statement after the other (simple protocol).
Measurement MeasureLibpq(const Server& server, const std::string& sql, absl::Duration length);

// asyncpg with a pool of at most 40 connections, statement cache off, as its documentation says for
// PgBouncer; `callers` tasks. Nullopt where Debian's python3-asyncpg is not installed.
std::optional<Measurement> MeasureAsyncpg(const Server& server, const Workload& workload, int callers,
                                          absl::Duration length);

// A gRPC call that does nothing, at the gateway itself (health of its process).
Measurement MeasureEmptyCall(const std::string& target, int callers, absl::Duration length, pid_t server);

}  // namespace sluice::benchmark

#endif  // SLUICE_TESTS_BENCHMARK_PEERS_H_
