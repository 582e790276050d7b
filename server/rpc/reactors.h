#ifndef SLUICE_SERVER_RPC_REACTORS_H_
#define SLUICE_SERVER_RPC_REACTORS_H_

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/base/errors.h"
#include "server/base/mutex.h"
#include "server/rpc/entry.h"
#include "server/rpc/grpc_status.h"
#include "server/rpc/incoming.h"
#include "server/rpc/outgoing.h"
#include "server/rpc/subscription.h"

namespace sluice::rpc {

// gRPC's handles on calls. They delete themselves when gRPC is done with them.
//
// What is answered with one message.
template <typename Reactor>
class ReplyReactor : public Reactor, public Entry {
 public:
  ReplyReactor(CallBook* book, grpc::ByteBuffer* reply) : Entry(book), reply_(*reply) {}

  void OnCancel() override { CancelCall(); }
  void OnDone() override { delete this; }
  void Finish(const absl::Status& status, const google::protobuf::Message* response) override {
    if (status.ok()) reply_ = Serialize(*response);
    Reactor::Finish(ToGrpcStatus(status));
  }

 private:
  grpc::ByteBuffer& reply_;
};

using UnaryReactor = ReplyReactor<grpc::ServerUnaryReactor>;

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

// What others notify: a call without an end of its own.
class ListenReactor : public StreamReactor {
 public:
  using StreamReactor::StreamReactor;

  void Begin(std::shared_ptr<Subscription> subscription) {
    subscription_ = std::move(subscription);
    subscription_->Start();
  }
  void OnCancel() override {
    if (subscription_ != nullptr) subscription_->OnCancel();
  }

 private:
  // Null for a call that was refused.
  std::shared_ptr<Subscription> subscription_;
};

// What comes in as a stream, whose first message opens the call, and whose second one, or end, sends it to the Line:
// until then it needs no connection.
template <typename Reactor>
class IncomingReactor : public Reactor {
 public:
  // `idle`: as Incoming has it; the rest is the Reactor's.
  template <typename... Args>
  explicit IncomingReactor(std::function<absl::Status(absl::Duration)> idle, Args&&... args)
      : Reactor(std::forward<Args>(args)...), incoming_(std::make_shared<Incoming>(std::move(idle))) {}

  const std::shared_ptr<Incoming>& incoming() const { return incoming_; }

  // `open` makes a call of the first message, or ends it: false then.
  void Begin(std::function<bool(const grpc::ByteBuffer&)> open) {
    open_ = std::move(open);
    constexpr absl::Duration kOpening = absl::Seconds(5);
    incoming_->AwaitOpening(kOpening, [this](const absl::Status& status) { this->EndUnbegun(status); });
    Ask();
  }
  void Ask() { this->StartRead(&message_); }

  void OnReadDone(bool ok) override {
    const int place = received_++;
    if (place == 0) return Open(ok);
    // Of one that was given up in the meantime nothing more is done.
    if (place == 1 && !incoming_->Claim()) return;
    if (!ok) return OnEnd(/*is_second=*/place == 1);
    grpc::ByteBuffer message;
    message.Swap(&message_);
    const bool has_room = incoming_->Put(std::move(message));
    if (place == 1) this->StartCall();
    if (has_room) Ask();
  }

 protected:
  // The client sends no more. `is_second`: it has sent nothing but what opened the call, which has not begun.
  virtual void OnEnd(bool is_second) = 0;

 private:
  void Open(bool ok) {
    // It ends here, or it goes on; unless it was given up in the meantime.
    if (!incoming_->TakeOpening()) return;
    if (!ok) return this->Finish(errors::InvalidField("stream", "it ended before its first message"), nullptr);
    if (open_(message_) && incoming_->AwaitFirst()) Ask();
  }

  const std::shared_ptr<Incoming> incoming_;
  std::function<bool(const grpc::ByteBuffer&)> open_;
  grpc::ByteBuffer message_;
  int received_ = 0;
};

// A stream in both directions.
class ConversationReactor
    : public IncomingReactor<OutgoingReactor<grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>>> {
 public:
  ConversationReactor(CallBook* book, grpc::CallbackServerContext* context, absl::Duration stall_max)
      : IncomingReactor(errors::TransactionIdle, book, context, stall_max) {}

 private:
  void OnEnd(bool is_second) override {
    // Without anything to do there is nothing to wait for either.
    if (is_second) return EndUnbegun(absl::OkStatus());
    incoming()->Close();
  }
};

// A stream that is answered at its end.
class UploadReactor : public IncomingReactor<ReplyReactor<grpc::ServerReadReactor<grpc::ByteBuffer>>> {
 public:
  UploadReactor(CallBook* book, grpc::ByteBuffer* reply)
      : IncomingReactor([](absl::Duration limit) { return errors::SenderStalled(v1::OUTCOME_NOT_STARTED, limit); },
                        book, reply) {}

  void Finish(const absl::Status& status, const google::protobuf::Message* response) override {
    // Of this object nothing may be left when it returns.
    const std::shared_ptr<End> end = end_;
    MutexLock lock(&end->mu);
    end->is_there = true;
    IncomingReactor::Finish(status, response);
  }

 private:
  // gRPC does not take both at once: what is sent of one's own, and an end.
  struct End {
    Mutex mu;
    bool is_there ABSL_GUARDED_BY(mu) = false;
  };

  // A read fails when the client half-closes, and also when the stream breaks. They must not be taken for each other:
  // what is sent then tells, as nothing can be sent on a broken stream any more.
  void OnEnd(bool is_second) override {
    begins_at_end_ = is_second;
    MutexLock lock(&end_->mu);
    if (!end_->is_there) StartSendInitialMetadata();
  }
  void OnSendInitialMetadataDone(bool ok) override {
    if (ok) {
      incoming()->Close();
    } else {
      incoming()->StopWaiting(errors::Cancelled(v1::OUTCOME_NOT_STARTED));
    }
    if (begins_at_end_) StartCall();
  }

  const std::shared_ptr<End> end_ = std::make_shared<End>();
  bool begins_at_end_ = false;
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_REACTORS_H_
