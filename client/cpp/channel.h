#ifndef SLUICE_CLIENT_CPP_CHANNEL_H_
#define SLUICE_CLIENT_CPP_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/cpp/database.h"

namespace sluice::client {

// Whether a target stands for several gateways, of which each call takes one that is ready.
bool NamesManyGateways(const std::string& target);

// The way to a gateway; nobody need be there yet. As Database::Open.
absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(const Database::Options& options);

}  // namespace sluice::client

#endif  // SLUICE_CLIENT_CPP_CHANNEL_H_
