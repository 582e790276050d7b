#ifndef SLUICE_SERVER_QUERY_MESSAGE_STREAM_H_
#define SLUICE_SERVER_QUERY_MESSAGE_STREAM_H_

#include "absl/time/time.h"
#include "google/protobuf/message.h"

namespace sluice::query {

// The messages of a streamed answer, on their way to the client. Used by the thread of the call's
// connection.
class MessageStream {
 public:
  enum class Written {
    kYes,
    kClientGone,     // or the call has ended
    kClientStalled,  // it has taken nothing for a long time
    kOutOfTime
  };

  virtual ~MessageStream() = default;

  // Waits, at most until `until`, while the client has not taken what was written before the last message.
  virtual Written Write(const google::protobuf::Message& message, absl::Time until) = 0;
  // The last one, without waiting.
  virtual void WriteLast(const google::protobuf::Message& message) = 0;
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_MESSAGE_STREAM_H_
