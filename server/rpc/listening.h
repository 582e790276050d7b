#ifndef SLUICE_SERVER_RPC_LISTENING_H_
#define SLUICE_SERVER_RPC_LISTENING_H_

#include <string>

namespace sluice::rpc {

// Addresses are host:port or unix:/path.

// Whether some process listens on this unix socket: gRPC would take the path away from it, without a
// word to either.
bool IsServedSocket(const std::string& address);

// Why gRPC could not listen there, which it does not tell: the system's answer to the same attempt.
std::string WhyNotListen(const std::string& address);

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_LISTENING_H_
