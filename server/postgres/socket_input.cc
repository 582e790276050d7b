#include "server/postgres/socket_input.h"

#include <libpq-fe.h>
#include <openssl/ssl.h>
#include <poll.h>

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

}  // namespace sluice::postgres
