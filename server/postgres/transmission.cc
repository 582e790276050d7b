#include "server/postgres/transmission.h"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>

#include "absl/time/clock.h"

namespace sluice::postgres {
namespace {

// Closing a connection flushes what libpq still has of the message, which would then be
// whole after all: not through a socket that is shut down.
Sent GiveUp(PGconn* connection, Sent sent) {
  if (PQsocket(connection) >= 0) shutdown(PQsocket(connection), SHUT_RDWR);
  return sent;
}

}  // namespace

bool IsAlive(pg_conn* connection, bool in_transaction, const std::optional<ServerError>& last_words) {
  const PGTransactionStatusType stands = PQtransactionStatus(connection);
  const bool is_open = stands == PQTRANS_INTRANS || stands == PQTRANS_INERROR;
  if (PQstatus(connection) != CONNECTION_OK || (in_transaction ? !is_open : stands != PQTRANS_IDLE)) return false;
  if (last_words.has_value()) return false;
  constexpr int kReadsMax = 100;
  for (int reads = 0; reads < kReadsMax; ++reads) {
    pollfd socket = {PQsocket(connection), POLLIN, 0};
    if (poll(&socket, 1, 0) <= 0) return true;
    if (PQconsumeInput(connection) == 0) return false;
    PQisBusy(connection);  // parses what came
    if (PQstatus(connection) != CONNECTION_OK) return false;
    if (last_words.has_value()) return false;
  }
  return false;
}

bool EndsSession(const ServerError& error) { return error.severity == "FATAL" || error.severity == "PANIC"; }

Sent Send(pg_conn* connection, const std::string& message, const Interrupt& interrupt, absl::Time give_up) {
  if (PQsendQuery(connection, message.c_str()) == 0) return GiveUp(connection, Sent::kNotWhole);
  for (;;) {
    const int flushed = PQflush(connection);
    if (flushed == 0) return Sent::kWhole;
    if (flushed < 0) return GiveUp(connection, Sent::kUnclear);
    // Some of it is still here, so it is not whole there.
    if (interrupt.raised() || absl::Now() >= give_up) return GiveUp(connection, Sent::kNotWhole);
    pollfd waits[2] = {{PQsocket(connection), POLLIN | POLLOUT, 0}, {interrupt.file_descriptor(), POLLIN, 0}};
    if (poll(waits, 2, 100) > 0 && (waits[0].revents & POLLIN) != 0 && PQconsumeInput(connection) == 0) {
      return GiveUp(connection, Sent::kUnclear);
    }
  }
}

}  // namespace sluice::postgres
