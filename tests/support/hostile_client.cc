#include "tests/support/hostile_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace sluice::testing_support {
namespace {

constexpr char kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6, kGoAway = 7, kWindowUpdate = 8,
               kContinuation = 9;
constexpr char kAck = 1, kEndStream = 1, kEndHeaders = 4;
constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr int kFrameHead = 9;
constexpr size_t kPayloadMax = 16384;

std::string BigEndian(uint32_t number, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(number >> (8 * i));
  return text;
}

uint32_t FromBigEndian(const char* bytes, int count) {
  uint32_t number = 0;
  for (int i = 0; i < count; ++i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

std::string Frame(char type, char flags, uint32_t stream, const std::string& payload) {
  return absl::StrCat(BigEndian(static_cast<uint32_t>(payload.size()), 3), std::string{type, flags},
                      BigEndian(stream, 4), payload);
}

std::string Text(const std::string& text) { return static_cast<char>(text.size()) + text; }

// In HPACK, without compression: the numbers are names of its table.
std::string Headers(const std::string& path) {
  const std::string post = "\x83", http = "\x86", path_name = "\x04", authority_name = "\x01", new_name(1, '\0');
  return absl::StrCat(post, http, path_name, Text(path), authority_name, Text("gateway"), new_name,
                      Text("content-type"), Text("application/grpc"), new_name, Text("te"), Text("trailers"));
}

std::string Message(const std::string& bytes) {
  return absl::StrCat(std::string(1, '\0'), BigEndian(static_cast<uint32_t>(bytes.size()), 4), bytes);
}

// What comes before the first of a flood.
std::string Opening(HostileClient::Flood flood, const std::string& path) {
  switch (flood) {
    case HostileClient::Flood::kEndlessHeaders: return Frame(kHeaders, 0, 1, Headers(path));
    case HostileClient::Flood::kEmptyData: return Frame(kHeaders, kEndHeaders, 1, Headers(path));
    default: return "";
  }
}

// The frames of one of a flood, from 0.
std::string Drop(HostileClient::Flood flood, int number, const std::string& path, const std::string& message) {
  const uint32_t stream = 2 * static_cast<uint32_t>(number) + 1;
  switch (flood) {
    case HostileClient::Flood::kResets:
      return absl::StrCat(Frame(kHeaders, kEndHeaders, stream, Headers(path)),
                          Frame(kData, kEndStream, stream, Message(message)),
                          Frame(kReset, 0, stream, BigEndian(8, 4)));
    case HostileClient::Flood::kPings: return Frame(kPing, 0, 0, "12345678");
    case HostileClient::Flood::kSettings: return Frame(kSettings, 0, 0, BigEndian(4, 2) + BigEndian(70000, 4));
    case HostileClient::Flood::kEndlessHeaders:
      return Frame(kContinuation, 0, 1, std::string(1, '\0') + Text("x-more") + Text(std::string(100, 'x')));
    case HostileClient::Flood::kEmptyData: return Frame(kData, 0, 1, "");
    case HostileClient::Flood::kCallsWithoutRequest: return Frame(kHeaders, kEndHeaders, stream, Headers(path));
  }
  return "";
}

}  // namespace

HostileClient::HostileClient(const std::string& socket_path) : fd_(socket(AF_UNIX, SOCK_STREAM, 0)) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  socket_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) std::abort();
}

HostileClient::~HostileClient() { close(fd_); }

int64_t HostileClient::SendMessage(const std::string& path, uint32_t promised_bytes) {
  const std::string prefix = '\0' + BigEndian(promised_bytes, 4);
  if (!Send(absl::StrCat(kPreface, Frame(kSettings, 0, 0, ""), Frame(kHeaders, kEndHeaders, 1, Headers(path)),
                         Frame(kData, 0, 1, prefix)))) {
    return 0;
  }
  stream_window_ -= static_cast<int64_t>(prefix.size());
  connection_window_ -= static_cast<int64_t>(prefix.size());
  int64_t sent = 0;
  while (sent < promised_bytes) {
    const int64_t window = std::min(stream_window_, connection_window_);
    pollfd wait = {fd_, POLLIN, 0};
    if (window <= 0 || poll(&wait, 1, 0) > 0) {
      if (!ReadFrame()) break;
      continue;
    }
    const size_t size = static_cast<size_t>(std::min<int64_t>({window, kPayloadMax, promised_bytes - sent}));
    if (!Send(Frame(kData, 0, 1, std::string(size, 'x')))) break;
    sent += static_cast<int64_t>(size);
    stream_window_ -= static_cast<int64_t>(size);
    connection_window_ -= static_cast<int64_t>(size);
  }
  return sent;
}

int HostileClient::Send(Flood flood, int count, const std::string& path, const std::string& message) {
  constexpr int kPatienceMs = 2000;
  if (!Send(absl::StrCat(kPreface, Frame(kSettings, 0, 0, ""))) || !ReadFrame()) return 0;
  std::string bytes = Opening(flood, path);
  for (int i = 0; i < count; ++i) {
    bytes += Drop(flood, i, path, message);
    while (bytes.size() > kPayloadMax || (i + 1 == count && !bytes.empty())) {
      pollfd wait = {fd_, POLLOUT, 0};
      if (poll(&wait, 1, kPatienceMs) <= 0) return i;
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent <= 0) return i;
      bytes.erase(0, static_cast<size_t>(sent));
    }
  }
  return count;
}

bool HostileClient::Send(const std::string& bytes) {
  return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

bool HostileClient::ReadFrame() {
  char head[kFrameHead];
  if (recv(fd_, head, sizeof(head), MSG_WAITALL) != sizeof(head)) return false;
  std::string payload(FromBigEndian(head, 3), '\0');
  if (!payload.empty() && recv(fd_, &payload[0], payload.size(), MSG_WAITALL) != static_cast<ssize_t>(payload.size())) {
    return false;
  }
  const char type = head[3], flags = head[4];
  const uint32_t stream = FromBigEndian(head + 5, 4);
  if (type == kWindowUpdate) {
    (stream == 0 ? connection_window_ : stream_window_) += FromBigEndian(payload.data(), 4);
  } else if (type == kPing && (flags & kAck) == 0) {
    return Send(Frame(kPing, kAck, 0, payload));
  } else if (type == kSettings && (flags & kAck) == 0) {
    constexpr uint32_t kInitialWindow = 4;
    for (size_t i = 0; i + 6 <= payload.size(); i += 6) {
      if (FromBigEndian(&payload[i], 2) != kInitialWindow) continue;
      const int64_t value = FromBigEndian(&payload[i + 2], 4);
      stream_window_ += value - initial_window_;
      initial_window_ = value;
    }
    return Send(Frame(kSettings, kAck, 0, ""));
  }
  // A status, a reset of the call, or the end of the connection.
  return type != kHeaders && type != kReset && type != kGoAway;
}

}  // namespace sluice::testing_support
