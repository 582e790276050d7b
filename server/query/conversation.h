#ifndef SLUICE_SERVER_QUERY_CONVERSATION_H_
#define SLUICE_SERVER_QUERY_CONVERSATION_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "server/query/message_stream.h"

namespace sluice::query {

// What a client sends as a stream, as the thread of the call's connection has it.
class RequestStream {
 public:
  enum class Heard {
    kMessage,
    kEnd,         // the client has said all it wants to
    kClientGone,  // or the call has ended
    kNothing      // until the time was up
  };

  virtual ~RequestStream() = default;

  // Waits for the next message. An error, of bytes that are none, is of that message only.
  virtual absl::StatusOr<Heard> Read(google::protobuf::Message* message, absl::Time until) = 0;
};

// A stream in both directions.
class Conversation : public MessageStream, public RequestStream {};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_CONVERSATION_H_
