#ifndef SLUICE_TESTS_BENCHMARK_WORKLOAD_H_
#define SLUICE_TESTS_BENCHMARK_WORKLOAD_H_

#include <string>
#include <vector>

#include "sluice/v1/database.pb.h"

namespace sluice::benchmark {

// One kind of work, as each of the peers does it.
struct Workload {
  const char* name;
  // For the gateway: one of the two. `id` is a random account, from 1 to kAccounts.
  void (*execute)(int id, v1::ExecuteRequest* request);
  void (*batch)(int id, v1::ExecuteBatchRequest* request);
  // Rows that an answer must have.
  int rows;
  // A script for pgbench, with :id; and the same for asyncpg, with $1.
  const char* pgbench_script;
  const char* asyncpg_sql;
};

constexpr int kAccounts = 100000;

// The first one asks for nothing but an answer.
const std::vector<Workload>& Workloads();
// Null if none has this name.
const Workload* FindWorkload(const std::string& name);

// Statements that make the tables which they need.
std::vector<std::string> Schema();

}  // namespace sluice::benchmark

#endif  // SLUICE_TESTS_BENCHMARK_WORKLOAD_H_
