#ifndef SLUICE_SERVER_RPC_REACTORS_H_
#define SLUICE_SERVER_RPC_REACTORS_H_

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "server/base/errors.h"
#include "server/rpc/entry.h"
#include "server/rpc/grpc_status.h"
#include "server/rpc/incoming.h"
#include "server/rpc/outgoing.h"

namespace sluice::rpc {

// gRPC's handles on calls. They delete themselves when gRPC is done with them.
class UnaryReactor : public grpc::ServerUnaryReactor, public Entry {
 public:
  UnaryReactor(CallBook* book, grpc::ByteBuffer* reply) : Entry(book), reply_(*reply) {}

  void OnCancel() override { CancelCall(); }
  void OnDone() override { delete this; }
  void Finish(const absl::Status& status, const google::protobuf::Message* response) override {
    if (status.ok()) reply_ = Serialize(*response);
    ServerUnaryReactor::Finish(ToGrpcStatus(status));
  }

 private:
  grpc::ByteBuffer& reply_;
};

// Whatever goes out as a stream, one way or both.
template <typename Reactor>
class OutgoingReactor : public Reactor, public Entry, private Wire {
 public:
  OutgoingReactor(CallBook* book, grpc::CallbackServerContext* context, absl::Duration stall_max)
      : Entry(book), outgoing_(std::make_shared<Outgoing>(static_cast<Wire*>(this), context, stall_max)) {}

  const std::shared_ptr<Outgoing>& outgoing() const { return outgoing_; }

  void OnCancel() override { CancelCall(); }
  void OnWriteDone(bool ok) override { outgoing_->OnWriteDone(ok); }
  void OnDone() override {
    outgoing_->OnDone();
    delete this;
  }
  void Finish(const absl::Status& status, const google::protobuf::Message*) override {
    // The last thing that may be left of this object when it returns.
    const std::shared_ptr<Outgoing> outgoing = outgoing_;
    outgoing->Finish(ToGrpcStatus(status));
  }

 private:
  void Send(const grpc::ByteBuffer* message) override { Reactor::StartWrite(message); }
  void End(const grpc::Status& status) override { Reactor::Finish(status); }

  const std::shared_ptr<Outgoing> outgoing_;
};

using StreamReactor = OutgoingReactor<grpc::ServerWriteReactor<grpc::ByteBuffer>>;

// A stream in both directions, whose first message opens the call, and whose second one sends it to the Line: until
// then it needs no connection.
class ConversationReactor : public OutgoingReactor<grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>> {
 public:
  using OutgoingReactor::OutgoingReactor;

  const std::shared_ptr<Incoming>& incoming() const { return incoming_; }

  // `open` makes a call of the first message, or ends it: false then.
  void Begin(std::function<bool(const grpc::ByteBuffer&)> open) {
    open_ = std::move(open);
    constexpr absl::Duration kOpening = absl::Seconds(5);
    incoming_->AwaitOpening(kOpening, [this](const absl::Status& status) { Finish(status, nullptr); });
    Ask();
  }
  void Ask() { StartRead(&message_); }

  void OnReadDone(bool ok) override {
    const int place = received_++;
    if (place == 0) return Open(ok);
    // Of one that was given up in the meantime nothing more is done.
    if (place == 1 && !incoming_->Claim()) return;
    if (!ok) {
      // Without anything to do there is nothing to wait for either.
      if (place == 1) return Finish(absl::OkStatus(), nullptr);
      return incoming_->Close();
    }
    grpc::ByteBuffer message;
    message.Swap(&message_);
    const bool has_room = incoming_->Put(std::move(message));
    if (place == 1) StartCall();
    if (has_room) Ask();
  }

 private:
  void Open(bool ok) {
    // It ends here, or it goes on; unless it was given up in the meantime.
    if (!ok) {
      if (!incoming_->Claim()) return;
      return Finish(errors::InvalidField("begin", "the stream ended before its first request"), nullptr);
    }
    if (!open_(message_)) return;
    incoming_->AwaitFirst();
    Ask();
  }

  const std::shared_ptr<Incoming> incoming_ = std::make_shared<Incoming>();
  std::function<bool(const grpc::ByteBuffer&)> open_;
  grpc::ByteBuffer message_;
  int received_ = 0;
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_REACTORS_H_
