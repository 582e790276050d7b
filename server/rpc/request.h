#ifndef SLUICE_SERVER_RPC_REQUEST_H_
#define SLUICE_SERVER_RPC_REQUEST_H_

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace sluice::rpc {

// Reads a request from its bytes. Done here rather than by gRPC, which answers bytes that
// are no message, or a string that is not UTF-8, with a bare INTERNAL.
// Errors: REQUEST_TOO_LARGE, MALFORMED_REQUEST with the field where it is known, INVALID_FIELD
// for a field that this gateway does not know: a call without the identity that it asked for
// would be a breach.
absl::Status ParseRequest(const grpc::ByteBuffer& bytes, int64_t bytes_max, google::protobuf::Message* request);

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_REQUEST_H_
