#ifndef SLUICE_SERVER_RPC_CREDENTIALS_H_
#define SLUICE_SERVER_RPC_CREDENTIALS_H_

#include <grpcpp/server_context.h>

#include "server/auth/authenticator.h"

namespace sluice::rpc {

// What a caller brought to prove who it is.
auth::Credentials CredentialsOf(const grpc::CallbackServerContext& context);

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_CREDENTIALS_H_
