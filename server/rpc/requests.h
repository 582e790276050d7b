#ifndef SLUICE_SERVER_RPC_REQUESTS_H_
#define SLUICE_SERVER_RPC_REQUESTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "server/query/conversation.h"
#include "server/rpc/incoming.h"
#include "server/rpc/request.h"

namespace sluice::rpc {

// The messages of one stream of a client.
class Requests : public query::RequestStream {
 public:
  // `ask`: for another one, from any thread while the call is in progress.
  Requests(std::shared_ptr<Incoming> in, std::function<void()> ask) : in_(std::move(in)), ask_(std::move(ask)) {}

  Incoming& incoming() const { return *in_; }
  void set_bytes_max(int64_t bytes_max) { bytes_max_ = bytes_max; }

  absl::StatusOr<Heard> Read(google::protobuf::Message* message, absl::Time until) override {
    grpc::ByteBuffer bytes;
    bool asks_for_more = false;
    const Heard heard = in_->Read(&bytes, until, &asks_for_more);
    if (asks_for_more) ask_();
    if (heard != Heard::kMessage) return heard;
    const absl::Status parsed = ParseRequest(bytes, bytes_max_, message);
    if (!parsed.ok()) return parsed;
    return heard;
  }

 private:
  const std::shared_ptr<Incoming> in_;
  const std::function<void()> ask_;
  int64_t bytes_max_ = 0;
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_REQUESTS_H_
