#ifndef SLUICE_SERVER_POSTGRES_TRANSMISSION_H_
#define SLUICE_SERVER_POSTGRES_TRANSMISSION_H_

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "server/postgres/interrupt.h"
#include "server/postgres/server_error.h"

struct pg_conn;

namespace sluice::postgres {

// Whether a session that waits for a message, in a transaction or not, still lives: one system call when all is
// well. Turns most unknown outcomes into NOT_STARTED, as a backend that was killed meanwhile has said so by now;
// `last_words` is where the connection's notice receiver puts what ends a session.
bool IsAlive(pg_conn* connection, bool in_transaction, const std::optional<ServerError>& last_words);

// FATAL or PANIC: the session is over with it.
bool EndsSession(const ServerError& error);

// Whether a message left as a whole. One that did not is never run.
enum class Sent { kWhole, kNotWhole, kUnclear };

// Sends a message, reading what comes meanwhile, until `give_up` or an interrupt. A connection
// on which it did not leave as a whole is of no use any more.
Sent Send(pg_conn* connection, const std::string& message, const Interrupt& interrupt, absl::Time give_up);

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_TRANSMISSION_H_
