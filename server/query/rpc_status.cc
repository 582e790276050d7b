#include "server/query/rpc_status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "server/base/utf8.h"

namespace sluice::query {
namespace {

// The message travels twice (percent-encoded in grpc-message, and in here), and the
// details in base64: 3 KiB of them stay under the 8 KiB that peers accept at least.
constexpr size_t kMessageBytesMax = 1024;
constexpr size_t kBytesMax = 3700;

void Add(absl::string_view type_url, const absl::Cord& payload, google::rpc::Status* rpc) {
  google::protobuf::Any* detail = rpc->add_details();
  detail->set_type_url(type_url.data(), type_url.size());
  detail->set_value(std::string(payload));
  if (rpc->ByteSizeLong() > kBytesMax) rpc->mutable_details()->RemoveLast();
}

}  // namespace

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status rpc;
  rpc.set_code(static_cast<int>(status.code()));
  const absl::string_view message = Utf8Prefix(status.message(), kMessageBytesMax);
  rpc.set_message(message.data(), message.size());
  // The reason first: it is what programs decide by.
  for (const bool reason : {true, false}) {
    status.ForEachPayload([&](absl::string_view type_url, const absl::Cord& payload) {
      if (absl::EndsWith(type_url, "ErrorInfo") == reason) Add(type_url, payload, &rpc);
    });
  }
  return rpc;
}

absl::Status FromRpcStatus(const google::rpc::Status& rpc) {
  absl::Status status(static_cast<absl::StatusCode>(rpc.code()), rpc.message());
  for (const google::protobuf::Any& detail : rpc.details())
    status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  return status;
}

}  // namespace sluice::query
