#ifndef SLUICE_TESTS_SUPPORT_HOSTILE_CLIENT_H_
#define SLUICE_TESTS_SUPPORT_HOSTILE_CLIENT_H_

#include <cstdint>
#include <string>

namespace sluice::testing_support {

// Speaks enough HTTP/2 to do to a gRPC server what no client library does.
class HostileClient {
 public:
  // To a unix socket.
  explicit HostileClient(const std::string& socket_path);
  ~HostileClient();
  HostileClient(const HostileClient&) = delete;
  HostileClient& operator=(const HostileClient&) = delete;

  // Calls `path` ("/package.Service/Method") with a message that says that it has
  // `promised_bytes`, and sends as much of it as the server asks for. Returns how much that was
  // when the server ended the call; or when all was sent.
  int64_t SendMessage(const std::string& path, uint32_t promised_bytes);

  // Many frames, of which it reads no answer:
  enum class Flood {
    kResets,              // calls, each with its whole request, and at once (CVE-2023-44487)
    kPings,               // CVE-2019-9512
    kSettings,            // CVE-2019-9515
    kEndlessHeaders,      // one call's, in CONTINUATION frames (VU#421644)
    kEmptyData,           // of one call (CVE-2019-9518)
    kCallsWithoutRequest  // each waits for its first message
  };
  // Acknowledges the server's settings, as a client library would, and sends so many, of calls of `path` with a message
  // of these bytes. Returns how many left before the server closed the connection, or took no more for two seconds.
  int Send(Flood flood, int count, const std::string& path, const std::string& message);

 private:
  bool Send(const std::string& bytes);
  // Reads what has come, up to the end of a frame; false when the call is over.
  bool ReadFrame();

  int fd_;
  // What the server lets us send: of the call, and of the connection.
  int64_t stream_window_ = 65535;
  int64_t connection_window_ = 65535;
  int64_t initial_window_ = 65535;
};

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_HOSTILE_CLIENT_H_
