// abandoned_call TARGET transaction SQL: begins a transaction with a statement, through a gateway.
// abandoned_call TARGET copy TABLE DATA: begins to copy data into a table.
// Either says "open", and waits to be killed.

#include <unistd.h>

#include <cstdio>
#include <string>

#include "client/cpp/database.h"

namespace {

using sluice::client::Database;

[[noreturn]] void Wait(const std::string& said) {
  std::puts(said.c_str());
  std::fflush(stdout);
  for (;;) pause();
}

void BeginTransaction(const Database& db, const char* sql) {
  sluice::client::TransactionOptions patient;
  patient.timeout = absl::Hours(1);
  patient.idle_timeout = absl::Minutes(1);
  sluice::client::Transaction transaction = db.Begin(patient);
  const absl::StatusOr<sluice::client::Result> begun = transaction.Execute(sql);
  Wait(begun.ok() ? "open" : begun.status().ToString());
}

void BeginCopy(const Database& db, const char* table, std::string data) {
  // As much as goes out at once.
  data.resize(256 << 10, '\n');
  sluice::client::CopyWriter copy = db.CopyIn(sluice::client::Table(table));
  Wait(copy.Write(data) ? "open" : "ended");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const absl::StatusOr<Database> db = Database::Open(argv[1]);
  if (argv[2] == std::string("transaction")) BeginTransaction(*db, argv[3]);
  if (argv[2] == std::string("copy") && argc == 5) BeginCopy(*db, argv[3], argv[4]);
  return 2;
}
