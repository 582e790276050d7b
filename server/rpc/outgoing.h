#ifndef SLUICE_SERVER_RPC_OUTGOING_H_
#define SLUICE_SERVER_RPC_OUTGOING_H_

#include <grpcpp/alarm.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/query/message_stream.h"

namespace sluice::rpc {

// In one piece. Not by gRPC's own function: that finds the size out twice, and copies from block to
// block.
grpc::ByteBuffer Serialize(const google::protobuf::Message& message);

// gRPC's side of a stream.
class Wire {
 public:
  virtual ~Wire() = default;
  virtual void Send(const grpc::ByteBuffer* message) = 0;
  virtual void End(const grpc::Status& status) = 0;
};

// What goes out on one stream: written by a connection's thread, which waits for a slow client, and sent by
// gRPC's threads, which wait for nobody. One message is being sent and one waits, besides what gRPC itself
// keeps of a stream whose client does not read.
//
// A client that takes nothing for `stall_max` is cut off, also behind the last message. Thread-safe.
class Outgoing : public query::MessageStream, public std::enable_shared_from_this<Outgoing> {
 public:
  // Both live until OnDone.
  Outgoing(Wire* wire, grpc::CallbackServerContext* context, absl::Duration stall_max)
      : stall_max_(stall_max), wire_(wire), context_(context) {}
  ~Outgoing() override;

  // The weight of what waits here counts there from now on.
  void CountIn(std::shared_ptr<std::atomic<int64_t>> total);

  Written Write(const google::protobuf::Message& message, absl::Time until) override;
  void WriteLast(const google::protobuf::Message& message) override;
  // One of many, without waiting.
  enum class Posted {
    kYes,
    kFull,  // what waits already has so much weight
    kOver   // nothing goes out any more
  };
  // A message weighs its bytes, and what it takes besides.
  static constexpr int64_t kWeight = 300;
  Posted Post(grpc::ByteBuffer message, int64_t weight_max);
  // Behind all that was written, but without what still waits if `drops_waiting`. Nothing is sent after it.
  void Finish(const grpc::Status& status, bool drops_waiting = false);
  // The client has left, or the gateway ends: nobody waits for it any longer.
  void StopWaiting();

  // gRPC's words.
  void OnWriteDone(bool ok);
  void OnDone();

 private:
  void SendNext();
  // What waits has become so much heavier.
  void Weigh(int64_t more) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CutOff();

  const absl::Duration stall_max_;
  Wire* const wire_;

  Mutex mu_;
  CondVar taken_;
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mu_);  // null after OnDone
  std::deque<grpc::ByteBuffer> waiting_ ABSL_GUARDED_BY(mu_);
  int64_t weight_ ABSL_GUARDED_BY(mu_) = 0;
  // Null: nobody else counts it.
  std::shared_ptr<std::atomic<int64_t>> total_ ABSL_GUARDED_BY(mu_);
  bool is_sending_ ABSL_GUARDED_BY(mu_) = false;
  // No message reaches the client any more.
  bool is_broken_ ABSL_GUARDED_BY(mu_) = false;
  bool is_nobody_waiting_ ABSL_GUARDED_BY(mu_) = false;
  // Finish was called: from its last message on, gRPC's side may be gone.
  bool is_finished_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mu_);
  // gRPC's, while is_sending_.
  grpc::ByteBuffer sending_;
  grpc::Alarm patience_;
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_OUTGOING_H_
