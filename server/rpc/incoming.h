#ifndef SLUICE_SERVER_RPC_INCOMING_H_
#define SLUICE_SERVER_RPC_INCOMING_H_

#include <grpcpp/alarm.h>
#include <grpcpp/support/byte_buffer.h>

#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/query/conversation.h"

namespace sluice::rpc {

// What comes in on one stream: received by gRPC's threads, and read by a connection's, which waits for it. A client
// may send ahead, as long as what waits here is less than a MiB: then it is held up. Thread-safe.
class Incoming : public std::enable_shared_from_this<Incoming> {
 public:
  using Heard = query::RequestStream::Heard;

  // `idle`: the error of a stream whose client waits for too long with its first messages.
  explicit Incoming(std::function<absl::Status(absl::Duration)> idle) : idle_(std::move(idle)) {}

  // Until somebody claims it, a stream waits for what opens it, and then for the first thing to do: for so long each
  // at most. `give_up` ends it then, or when the gateway ends.
  void AwaitOpening(absl::Duration limit, std::function<void(const absl::Status&)> give_up);
  // What opens it has come, and nobody gives it up while that is looked at. False if it was given up before.
  bool TakeOpening();
  // It is open. False if it was ended meanwhile.
  bool AwaitFirst();
  void set_first_limit(absl::Duration limit) { first_limit_ = limit; }
  // For the first thing to do, or an end without one. True for the first who does.
  bool Claim();

  // A message has come. Whether another one should be asked for.
  bool Put(grpc::ByteBuffer message);
  // None will come any more.
  void Close();
  // The client has left, or the gateway ends: nobody waits for it any longer.
  // `why`: what it hears, if it is told to nobody else.
  void StopWaiting(const absl::Status& why);

  // Of the messages that wait here.
  size_t bytes() const;

  // The next message. `asks_for_more`: somebody should ask for another one, as there is room again.
  Heard Read(grpc::ByteBuffer* message, absl::Time until, bool* asks_for_more);

 private:
  enum class Stage { kOpening, kOpened, kFirst, kClaimed };
  void SetPatience(grpc::Alarm* alarm, absl::Duration limit, Stage stage);
  // Of a stream that is in one of these stages.
  void GiveUp(const absl::Status& why, std::initializer_list<Stage> stages);

  static constexpr size_t kBytesMax = 1 << 20;

  const std::function<absl::Status(absl::Duration)> idle_;
  mutable Mutex mu_;
  CondVar arrival_;
  std::deque<grpc::ByteBuffer> messages_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  // Somebody reads. Until then, while the call waits for a connection, only its first message is here: very many that
  // wait must not fill the memory.
  bool is_read_ ABSL_GUARDED_BY(mu_) = false;
  // Nobody has asked for another message, since there was no room.
  bool is_held_up_ ABSL_GUARDED_BY(mu_) = false;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
  bool is_nobody_waiting_ ABSL_GUARDED_BY(mu_) = false;
  Stage stage_ ABSL_GUARDED_BY(mu_) = Stage::kOpening;
  std::function<void(const absl::Status&)> give_up_ ABSL_GUARDED_BY(mu_);
  absl::Duration first_limit_ = absl::Seconds(5);
  grpc::Alarm opening_patience_, first_patience_;
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_INCOMING_H_
