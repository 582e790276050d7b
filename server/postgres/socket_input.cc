#include "server/postgres/socket_input.h"

#include <libpq-fe.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <algorithm>
#include <cstdint>

#include "absl/time/clock.h"

namespace sluice::postgres {

bool HasDecryptedInput(PGconn* connection) {
  if (!PQsslInUse(connection)) return false;
  auto* ssl = static_cast<SSL*>(PQsslStruct(connection, "OpenSSL"));
  return ssl != nullptr && SSL_pending(ssl) > 0;
}

bool HasInput(PGconn* connection) {
  pollfd socket = {PQsocket(connection), POLLIN, 0};
  return HasDecryptedInput(connection) || poll(&socket, 1, 0) != 0;
}

int MillisecondsUntil(absl::Time time) {
  if (time == absl::InfiniteFuture()) return -1;
  const absl::Duration left = time - absl::Now();
  if (left <= absl::ZeroDuration()) return 0;
  return static_cast<int>(std::min<int64_t>(absl::ToInt64Milliseconds(left) + 1, int64_t{3600} * 1000));
}

}  // namespace sluice::postgres
