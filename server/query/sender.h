#ifndef SLUICE_SERVER_QUERY_SENDER_H_
#define SLUICE_SERVER_QUERY_SENDER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "server/query/message_stream.h"
#include "server/query/turn.h"

namespace sluice::query {

// Sends an answer in batches while PostgreSQL still makes it.
class Sender {
 public:
  Sender(const Turn* turn, MessageStream* stream) : turn_(*turn), stream_(*stream) {}

  // False if it can not be sent, and nothing behind it: StatusOf() tells why.
  bool Send(const google::protobuf::Message& message);
  bool SendBatch(const google::protobuf::Message& batch);
  void SendLast(const google::protobuf::Message& message) { stream_.WriteLast(message); }

  // A batch has begun; and until when it waits for more, where PostgreSQL makes it slowly. The first one does not
  // wait.
  void OnBatchBegun() { begun_at_ = absl::Now(); }
  absl::Time rest_at() const;

  // Of a call whose client takes no more, and of whose work this became.
  absl::Status StatusOf(v1::Outcome outcome) const;

 private:
  const Turn& turn_;
  MessageStream& stream_;
  MessageStream::Written written_ = MessageStream::Written::kYes;
  int64_t batches_ = 0;
  absl::Time begun_at_;
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_SENDER_H_
