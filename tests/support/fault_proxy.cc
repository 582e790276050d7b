#include "tests/support/fault_proxy.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/unix_socket.h"

namespace sluice::testing_support {
namespace {

constexpr size_t kReadMax = 64 << 10;
// More is left to the sender's own buffers, so that back-pressure passes too.
constexpr int64_t kHeldMax = 1 << 20;

}  // namespace

// One way of a connection.
struct FaultProxy::Stream {
  struct Chunk {
    absl::Time due;
    std::string bytes;
  };

  Way way;
  int from, to;
  std::deque<Chunk> chunks;
  int64_t size = 0;
  bool ended = false;    // nothing more will come; the connection ends behind the last chunk
  bool blocked = false;  // `to` takes no more now

  bool is_full() const { return size >= kHeldMax; }
};

struct FaultProxy::Link {
  int client, server;
  Stream up, down;

  Link(int client_fd, int server_fd)
      : client(client_fd),
        server(server_fd),
        up{Way::kToServer, client_fd, server_fd, {}},
        down{Way::kToClient, server_fd, client_fd, {}} {}
};

FaultProxy::FaultProxy(const std::string& server_path)
    : server_path_(server_path),
      listener_(ListenAt(directory_.File(".s.PGSQL.5432"))),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  thread_ = std::thread([this] { Run(); });
}

FaultProxy::~FaultProxy() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  Wake();
  thread_.join();
  close(listener_);
  close(wake_);
}

std::string FaultProxy::Url() const { return absl::StrCat("postgresql://postgres@/postgres?host=", directory_.path()); }

void FaultProxy::Delay(absl::Duration each_way) {
  MutexLock lock(&mu_);
  delay_ = each_way;
}

void FaultProxy::Hold(Way way) {
  MutexLock lock(&mu_);
  held_[static_cast<int>(way)] = true;
}

void FaultProxy::HoldFrom(Way way, const std::string& bytes) {
  MutexLock lock(&mu_);
  hold_from_[static_cast<int>(way)] = bytes;
}

void FaultProxy::Release(Way way) {
  {
    MutexLock lock(&mu_);
    held_[static_cast<int>(way)] = false;
  }
  Wake();
}

int64_t FaultProxy::PiecesWith(Way way, const std::vector<std::string>& texts) const {
  MutexLock lock(&mu_);
  const std::vector<std::string>& pieces = pieces_[static_cast<int>(way)];
  return std::count_if(pieces.begin(), pieces.end(), [&texts](const std::string& piece) {
    return std::any_of(texts.begin(), texts.end(),
                       [&piece](const std::string& text) { return piece.find(text) != std::string::npos; });
  });
}

int64_t FaultProxy::held_bytes(Way way) const {
  MutexLock lock(&mu_);
  int64_t bytes = 0;
  for (const Link& link : links_) bytes += (way == Way::kToServer ? link.up : link.down).size;
  return bytes;
}

void FaultProxy::CutBefore(Way way, const std::string& bytes) {
  MutexLock lock(&mu_);
  cut_before_[static_cast<int>(way)] = bytes;
}

void FaultProxy::CutAfter(Way way, int64_t bytes) {
  MutexLock lock(&mu_);
  cut_after_[static_cast<int>(way)] = bytes;
}

void FaultProxy::Corrupt(Way way, int one_in) {
  MutexLock lock(&mu_);
  corrupt_one_in_[static_cast<int>(way)] = one_in;
}

void FaultProxy::CutAll() {
  {
    MutexLock lock(&mu_);
    cut_all_ = true;
  }
  Wake();
}

void FaultProxy::Wake() const {
  const uint64_t one = 1;
  if (write(wake_, &one, sizeof(one)) < 0 && errno != EAGAIN) std::abort();
}

void FaultProxy::Run() {
  std::vector<pollfd> waits;
  for (;;) {
    absl::Time next = absl::InfiniteFuture();
    waits = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
    {
      MutexLock lock(&mu_);
      const auto events = [&](const Stream& in, const Stream& out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
        if (!out.chunks.empty() && !out.blocked && !held_[static_cast<int>(out.way)]) {
          next = std::min(next, out.chunks.front().due);
        }
        return static_cast<int16_t>((in.ended || in.is_full() ? 0 : POLLIN) | (out.blocked ? POLLOUT : 0));
      };
      for (const Link& link : links_) {
        waits.push_back({link.client, events(link.up, link.down), 0});
        waits.push_back({link.server, events(link.down, link.up), 0});
      }
    }
    const timespec timeout = absl::ToTimespec(std::max(next - absl::Now(), absl::ZeroDuration()));
    ppoll(waits.data(), waits.size(), next == absl::InfiniteFuture() ? nullptr : &timeout, nullptr);

    MutexLock lock(&mu_);
    uint64_t woken = 0;
    if (waits[1].revents != 0 && read(wake_, &woken, sizeof(woken)) < 0) std::abort();
    size_t at = 2;
    for (auto link = links_.begin(); link != links_.end(); at += 2) {
      const bool alive = !cut_all_ && !stopping_ && Serve(&*link, waits[at].revents != 0, waits[at + 1].revents != 0);
      if (alive) {
        ++link;
        continue;
      }
      close(link->client);
      close(link->server);
      link = links_.erase(link);
    }
    cut_all_ = false;
    if (stopping_) return;
    if (waits[0].revents != 0) Accept();
  }
}

void FaultProxy::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  const int server = ConnectTo(server_path_);
  if (server < 0) {
    close(client);
    return;
  }
  links_.emplace_back(client, server);
}

// False when the connection is over.
bool FaultProxy::Serve(Link* link, bool client_ready, bool server_ready) {
  link->down.blocked = link->down.blocked && !client_ready;
  link->up.blocked = link->up.blocked && !server_ready;
  if (client_ready && !Receive(&link->up)) return false;
  if (server_ready && !Receive(&link->down)) return false;
  return PassOn(&link->up) && PassOn(&link->down);
}

bool FaultProxy::Receive(Stream* stream) {
  if (stream->ended || stream->is_full()) return true;
  std::string bytes(kReadMax, '\0');
  const ssize_t size = recv(stream->from, &bytes[0], bytes.size(), MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  stream->ended = size == 0;
  bytes.resize(static_cast<size_t>(size));
  constexpr size_t kPiecesMax = 1000;
  std::vector<std::string>& pieces = pieces_[static_cast<int>(stream->way)];
  if (size > 0 && pieces.size() < kPiecesMax) pieces.push_back(bytes);
  std::string& hold_from = hold_from_[static_cast<int>(stream->way)];
  if (!hold_from.empty() && bytes.find(hold_from) != std::string::npos) {
    held_[static_cast<int>(stream->way)] = true;
    hold_from.clear();
  }
  std::string& cut_before = cut_before_[static_cast<int>(stream->way)];
  const size_t found = cut_before.empty() ? std::string::npos : bytes.find(cut_before);
  if (found != std::string::npos) {
    bytes.resize(found);
    cut_before.clear();
    stream->ended = true;
  }
  std::optional<int64_t>& cut_after = cut_after_[static_cast<int>(stream->way)];
  if (cut_after.has_value() && *cut_after < static_cast<int64_t>(bytes.size())) {
    bytes.resize(static_cast<size_t>(*cut_after));
    cut_after.reset();
    stream->ended = true;
  } else if (cut_after.has_value()) {
    *cut_after -= static_cast<int64_t>(bytes.size());
  }
  if (const int one_in = corrupt_one_in_[static_cast<int>(stream->way)]; one_in > 0) {
    std::uniform_int_distribution<int> dice(1, one_in), any_byte(0, 255);
    for (char& byte : bytes) {
      if (dice(random_) == 1) byte = static_cast<char>(any_byte(random_));
    }
  }
  stream->size += static_cast<int64_t>(bytes.size());
  stream->chunks.push_back({absl::Now() + delay_, std::move(bytes)});
  return true;
}

// False when there is nothing more to pass on.
bool FaultProxy::PassOn(Stream* stream) {
  if (held_[static_cast<int>(stream->way)]) return true;
  const absl::Time now = absl::Now();
  while (!stream->chunks.empty() && stream->chunks.front().due <= now) {
    std::string& bytes = stream->chunks.front().bytes;
    const ssize_t sent = bytes.empty() ? 0 : send(stream->to, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    stream->blocked = sent < static_cast<ssize_t>(bytes.size());
    if (sent > 0) stream->size -= sent;
    if (stream->blocked) {
      if (sent > 0) bytes.erase(0, static_cast<size_t>(sent));
      return true;
    }
    stream->chunks.pop_front();
  }
  return !(stream->ended && stream->chunks.empty());
}

}  // namespace sluice::testing_support
