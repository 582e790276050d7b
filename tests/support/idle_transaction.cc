// idle_transaction TARGET SQL: begins a transaction through a gateway, says "open", and waits to be killed.

#include <unistd.h>

#include <cstdio>

#include "client/cpp/database.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const absl::StatusOr<sluice::client::Database> db = sluice::client::Database::Open(argv[1]);
  sluice::client::TransactionOptions patient;
  patient.timeout = absl::Hours(1);
  patient.idle_timeout = absl::Minutes(1);
  sluice::client::Transaction transaction = db->Begin(patient);
  const absl::StatusOr<sluice::client::Result> begun = transaction.Execute(argv[2]);
  std::puts(begun.ok() ? "open" : begun.status().ToString().c_str());
  std::fflush(stdout);
  for (;;) pause();
}
