#ifndef SLUICE_TESTS_FAULTS_BLOWS_H_
#define SLUICE_TESTS_FAULTS_BLOWS_H_

#include <string>

#include "tests/support/direct.h"
#include "tests/support/postgres_server.h"

namespace sluice {

// What is done to a PostgreSQL under the eyes of its clients, and how to see that it is over.

// Of the backends of clients so many, or "ALL", with pg_terminate_backend.
void EndBackends(const testing_support::PostgresServer& postgres, const std::string& how_many);
// One of them with SIGKILL, one that works if there is any: PostgreSQL ends all others, and begins anew. Returns
// whether it has.
bool KillABackend(const testing_support::PostgresServer& postgres);
// Waits until no client has anything going on or open; false if that does not come about.
bool ComesToRest(testing_support::Direct* database);

}  // namespace sluice

#endif  // SLUICE_TESTS_FAULTS_BLOWS_H_
