#ifndef SLUICE_SERVER_POSTGRES_SOCKET_INPUT_H_
#define SLUICE_SERVER_POSTGRES_SOCKET_INPUT_H_

#include "absl/time/time.h"

struct pg_conn;

namespace sluice::postgres {

// Decrypted bytes that poll() does not know of: with TLS a whole record may have been read
// from the socket for a part of it.
bool HasDecryptedInput(pg_conn* connection);

// Whether libpq could read something at once, if only the end.
bool HasInput(pg_conn* connection);

// As poll() takes it: an hour at most, -1 for ever.
int MillisecondsUntil(absl::Time time);

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_SOCKET_INPUT_H_
