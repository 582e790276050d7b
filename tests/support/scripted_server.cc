#include "tests/support/scripted_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/support/unix_socket.h"
#include "tests/support/wire.h"

namespace sluice::testing_support {
namespace {

constexpr uint32_t kSslRequest = 80877103, kGssRequest = 80877104, kCancelRequest = 80877102;
constexpr uint32_t kInt4 = 23, kText = 25;

bool IsQuestionAboutItself(const std::string& message) { return absl::StrContains(message, "pg_is_in_recovery()"); }

// The leading SETs that end at a semicolon.
size_t SkipPrelude(const std::string& message, int* settings) {
  size_t at = 0;
  *settings = 0;
  while (message.compare(at, 4, "SET ") == 0 && message.find(';', at) != std::string::npos) {
    at = message.find(';', at) + 1;
    ++*settings;
  }
  return at;
}

std::string AnswerTo(const std::string& statement) {
  if (absl::StartsWith(statement, "SELECT")) return wire::Table({{"one", kInt4}}, {{"1"}}) + wire::Complete("SELECT 1");
  if (absl::StartsWith(statement, "INSERT")) return wire::Complete("INSERT 0 1");
  return wire::Complete("DO");
}

}  // namespace

// One client's session, on a thread of its own.
class ScriptedServer::Session {
 public:
  Session(ScriptedServer* server, int fd) : server_(*server), fd_(fd) {}

  void Run() {
    if (!LetIn()) return;
    char type = 0;
    std::string body;
    while (ReadMessage(&type, &body) && type == 'Q') {
      body.resize(std::strlen(body.c_str()));
      if (!Answer(body)) return;
    }
  }

 private:
  bool LetIn() {
    std::string packet;
    for (;;) {
      if (!ReadPacket(&packet)) return false;
      const uint32_t code = wire::ReadInt(packet.data());
      if (code == kCancelRequest) return TakeCancel();
      if (code != kSslRequest && code != kGssRequest) break;
      if (!Send("N")) return false;
    }
    jit_off_ = absl::StrContains(packet, "jit=off");
    if (absl::StrContains(packet, std::string("options\0", 8)) && server_.manners().refuses_startup_options) {
      Send(wire::Error("FATAL", "08P01", "unsupported startup parameter: options"));
      return false;
    }
    Words words;
    if (server_.Next(When::kAtLogin, &words)) {
      Send(wire::Error(words.severity, words.sqlstate, words.message));
      return false;
    }
    return Send(absl::StrCat(wire::LoggedIn(), wire::Setting("client_encoding", "UTF8"),
                             wire::Setting("DateStyle", "ISO, MDY"), wire::Setting("IntervalStyle", "postgres"),
                             wire::Setting("standard_conforming_strings", "on"),
                             wire::Setting("server_version", "15.18"), wire::Key(1000), wire::Ready()));
  }

  // The connection of a request is never a session.
  bool TakeCancel() {
    {
      MutexLock lock(&server_.mu_);
      ++server_.cancels_;
    }
    char byte;
    while (server_.manners().holds_cancels && read(fd_, &byte, 1) > 0) {
    }
    return false;
  }

  // False when the session is over.
  bool Answer(const std::string& message) {
    if (is_ending_) return false;
    if (IsQuestionAboutItself(message)) return Send(Itself() + wire::Ready());
    int settings = 0;
    const size_t prelude_size = SkipPrelude(message, &settings);
    const std::vector<std::string> statements = absl::StrSplit(message.substr(prelude_size), "\n;\n");
    server_.Count(message, statements);
    if (settings > 0 && server_.manners().refuses_set_beside_statements) {
      return Say(wire::Error("ERROR", "42601", "multi-statement queries cannot mix SET with other commands") +
                 wire::Ready());
    }
    std::string answer;
    bool hangs_up = false;
    const auto interrupted_at = [&](When when) {
      Words words;
      if (!server_.Next(when, &words)) return false;
      answer += wire::Error(words.severity, words.sqlstate, words.message, words.position);
      hangs_up = words.hangs_up;
      return true;
    };
    const auto compose = [&] {
      if (interrupted_at(When::kInQueue)) return;
      for (int i = 0; i < settings; ++i) answer += wire::Complete("SET");
      if (interrupted_at(When::kAfterPrelude)) return;
      for (size_t i = 0; i < statements.size(); ++i) {
        if (i == 1 && interrupted_at(When::kBetweenResults)) return;
        answer += AnswerTo(statements[i]);
      }
      interrupted_at(When::kAfterResults);
    };
    compose();
    if (!hangs_up) answer += wire::Ready();
    if (!hangs_up && interrupted_at(When::kOnceReady)) is_ending_ = !hangs_up;
    return Say(answer) && !hangs_up;
  }

  // What the gateway asks a new session.
  std::string Itself() const {
    const std::vector<wire::Column> columns(9, wire::Column{"", kText});
    return wire::Table(columns, {{jit_off_ ? "off" : "on", jit_off_ ? "client" : "default", "2000", "15.18", "off", "f",
                                  "1", "0", "read committed"}}) +
           wire::Complete("SELECT 1");
  }

  bool Say(const std::string& bytes) {
    server_.AwaitVoice();
    return Send(bytes);
  }
  bool Send(const std::string& bytes) const {
    return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  bool ReadExactly(size_t size, std::string* bytes) const {
    bytes->resize(size);
    return size == 0 || recv(fd_, &(*bytes)[0], size, MSG_WAITALL) == static_cast<ssize_t>(size);
  }
  bool ReadPacket(std::string* body) const {
    std::string length;
    if (!ReadExactly(4, &length)) return false;
    return ReadExactly(wire::ReadInt(length.data()) - 4, body);
  }
  bool ReadMessage(char* type, std::string* body) const {
    std::string first;
    if (!ReadExactly(1, &first)) return false;
    *type = first[0];
    return ReadPacket(body);
  }

  ScriptedServer& server_;
  const int fd_;
  bool jit_off_ = false;
  // It has said so, and closes its socket with the next message.
  bool is_ending_ = false;
};

ScriptedServer::ScriptedServer() : listener_(ListenAt(directory_.File(".s.PGSQL.5432"))) {
  acceptor_ = std::thread([this] { Accept(); });
}

ScriptedServer::~ScriptedServer() {
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  Behave(Manners());
  std::vector<std::thread> sessions;
  std::vector<int> sockets;
  {
    MutexLock lock(&mu_);
    sessions.swap(sessions_);
    sockets.swap(sockets_);
  }
  for (const int fd : sockets) shutdown(fd, SHUT_RDWR);
  for (std::thread& session : sessions) session.join();
  for (const int fd : sockets) close(fd);
  close(listener_);
}

void ScriptedServer::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    MutexLock lock(&mu_);
    sockets_.push_back(fd);
    sessions_.emplace_back([this, fd] {
      Session(this, fd).Run();
      shutdown(fd, SHUT_RDWR);
    });
  }
}

std::string ScriptedServer::Url() const { return absl::StrCat("postgresql://postgres@/db?host=", directory_.path()); }

void ScriptedServer::SayOnce(When when, const Words& words) {
  MutexLock lock(&mu_);
  script_[when].push_back(words);
}

bool ScriptedServer::Next(When when, Words* words) {
  MutexLock lock(&mu_);
  std::deque<Words>& waiting = script_[when];
  if (waiting.empty()) return false;
  *words = waiting.front();
  waiting.pop_front();
  return true;
}

void ScriptedServer::Behave(const Manners& manners) {
  {
    MutexLock lock(&mu_);
    manners_ = manners;
  }
  changed_.NotifyAll();
}

void ScriptedServer::AwaitVoice() {
  MutexLock lock(&mu_);
  while (manners_.is_silent) changed_.Wait(&mu_);
}

ScriptedServer::Manners ScriptedServer::manners() const {
  MutexLock lock(&mu_);
  return manners_;
}

void ScriptedServer::Count(const std::string& message, const std::vector<std::string>& statements) {
  MutexLock lock(&mu_);
  last_message_ = message;
  for (const std::string& statement : statements) ++received_[statement];
}

int ScriptedServer::times_received(const std::string& statement) const {
  MutexLock lock(&mu_);
  const auto found = received_.find(statement);
  return found == received_.end() ? 0 : found->second;
}

int ScriptedServer::cancels_received() const {
  MutexLock lock(&mu_);
  return cancels_;
}

std::string ScriptedServer::last_message() const {
  MutexLock lock(&mu_);
  return last_message_;
}

}  // namespace sluice::testing_support
