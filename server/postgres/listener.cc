#include "server/postgres/listener.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/postgres/socket_input.h"
#include "server/sql/name.h"

namespace sluice::postgres {
namespace {

// Its last words, before it closes.
void KeepLastWords(void* error, const PGresult* notice) {
  ServerError words = ReadServerError(notice);
  if (words.severity == "FATAL" || words.severity == "PANIC") *static_cast<ServerError*>(error) = std::move(words);
}

// The channel on which this process proves its sessions. One for all, as behind a pooler of transactions a backend
// keeps what it listens to.
const std::string& ProofChannel() {
  static const auto& channel = *new std::string([] {
    absl::BitGen random;
    return absl::StrCat("sluice_proof_", absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16));
  }());
  return channel;
}

}  // namespace

Listener::Listener(std::unique_ptr<Session> session) : session_(std::move(session)) {
  PQsetNoticeReceiver(session_->handle(), KeepLastWords, &error_);
}

std::unique_ptr<Listener> Listener::Open(const Connection::Options& options, Connection::OpenFailure* failure) {
  const absl::Time deadline = absl::Now() + options.connect_timeout;
  const auto open = [&](bool listens) -> std::unique_ptr<Listener> {
    Session::Failure session_failure;
    std::unique_ptr<Session> session = Session::Open(options.parameters, deadline, options.closing, &session_failure);
    if (session == nullptr) {
      failure->error = session_failure.error;
      failure->fate = FateOfConnect(session_failure.error);
      return nullptr;
    }
    std::unique_ptr<Listener> listener(new Listener(std::move(session)));
    if (listener->Introduce(listens, deadline)) return listener;
    failure->error = listener->error();
    failure->fate = FateOfConnect(failure->error);
    return nullptr;
  };
  std::unique_ptr<Listener> listener = open(/*listens=*/true);
  if (listener == nullptr || !listener->behind_pooler()) return listener;
  // A session of its own: what a backend says to itself comes through in the answer to its statement.
  const std::unique_ptr<Listener> other = open(/*listens=*/false);
  if (other == nullptr) return nullptr;
  if (other->IsHeardBy(listener.get(), std::min(deadline, absl::Now() + absl::Seconds(3)))) return listener;
  // What may be left in a backend that others use; as well as that can be done.
  for (const std::unique_ptr<Listener>* session : {&std::as_const(listener), &other}) {
    (*session)->Run(absl::StrCat("UNLISTEN ", sql::QuotedName(ProofChannel())), absl::Now() + absl::Seconds(1));
  }
  failure->fate = Fate::kMisconfigured;
  failure->error = ServerError();
  failure->error.message =
      "notifications do not come through: listen_url leads to a pooler that does not keep sessions; it wants "
      "PostgreSQL "
      "itself, or a pooler in session mode";
  return nullptr;
}

// Who is on the other side; and the channel to prove it, if it `listens`.
bool Listener::Introduce(bool listens, absl::Time until) {
  PGconn* handle = session_->handle();
  const std::string listen = listens ? absl::StrCat("LISTEN ", sql::QuotedName(ProofChannel()), ";") : "";
  if (!Run(absl::StrCat(listen, "SELECT pg_catalog.pg_backend_pid()"), until)) return false;
  server_version_ = std::string(absl::NullSafeStringView(PQparameterStatus(handle, "server_version")));
  if (pg_char_to_encoding("UTF8") == PQclientEncoding(handle)) return true;
  return Lost("client_encoding is not UTF8");
}

bool Listener::IsHeardBy(Listener* other, absl::Time until) {
  other->proven_ = false;
  return Run(absl::StrCat("NOTIFY ", sql::QuotedName(ProofChannel())), until) && other->AwaitProof(until);
}

bool Listener::Change(const std::vector<std::string>& listen, const std::vector<std::string>& unlisten,
                      absl::Time until) {
  std::string message;
  for (const std::string& channel : unlisten) absl::StrAppend(&message, "UNLISTEN ", sql::QuotedName(channel), ";");
  for (const std::string& channel : listen) absl::StrAppend(&message, "LISTEN ", sql::QuotedName(channel), ";");
  return message.empty() || Run(message, until);
}

bool Listener::Prove(absl::Time until) {
  proven_ = false;
  return Run(absl::StrCat("NOTIFY ", sql::QuotedName(ProofChannel())), until) && AwaitProof(until);
}

bool Listener::AwaitProof(absl::Time until) {
  while (!proven_) {
    if (absl::Now() >= until) return Lost("a notification did not come through in time");
    if (!Receive(until)) return false;
  }
  return true;
}

bool Listener::Await(absl::Time until, const Interrupt& wake) {
  PGconn* handle = session_->handle();
  Collect();
  for (bool looked = false; received_.empty(); looked = true) {
    const bool waits_on = !wake.raised() && absl::Now() < until;
    if (looked && !waits_on) break;
    pollfd waits[2] = {{PQsocket(handle), POLLIN, 0}, {wake.file_descriptor(), POLLIN, 0}};
    if (!HasDecryptedInput(handle)) poll(waits, 2, waits_on ? MillisecondsUntil(until) : 0);
    if (!HasInput(handle)) continue;
    if (PQconsumeInput(handle) == 0) return Lost(PQerrorMessage(handle));
    Collect();
  }
  return true;
}

std::vector<Notification> Listener::Take() {
  std::vector<Notification> taken;
  taken.swap(received_);
  return taken;
}

// Sends a message and reads its whole answer.
bool Listener::Run(const std::string& message, absl::Time until) {
  PGconn* handle = session_->handle();
  error_ = ServerError();
  if (PQsendQuery(handle, message.c_str()) == 0) return Lost(PQerrorMessage(handle));
  for (;;) {
    // What does not leave at once leaves while its answer is waited for.
    if (PQflush(handle) < 0) return Lost(PQerrorMessage(handle));
    if (PQisBusy(handle)) {
      if (absl::Now() >= until) return Lost("no answer came in time");
      if (!Receive(until)) return false;
      continue;
    }
    PGresult* raw = PQgetResult(handle);
    if (raw == nullptr) break;
    const Result result(raw);
    const ExecStatusType status = PQresultStatus(raw);
    if (status == PGRES_TUPLES_OK && result.row_count() == 1) {
      behind_pooler_ = result.Text(0, 0) != absl::StrCat(PQbackendPID(handle));
    }
    if (status == PGRES_FATAL_ERROR && error_.message.empty()) error_ = ReadServerError(raw);
  }
  Collect();
  return error_.message.empty();
}

// Whatever comes, at most until `until`.
bool Listener::Receive(absl::Time until) {
  PGconn* handle = session_->handle();
  pollfd socket = {PQsocket(handle), POLLIN, 0};
  if (!HasDecryptedInput(handle) && poll(&socket, 1, MillisecondsUntil(until)) <= 0) return true;
  if (PQconsumeInput(handle) == 0) return Lost(PQerrorMessage(handle));
  Collect();
  return true;
}

void Listener::Collect() {
  while (PGnotify* raw = PQnotifies(session_->handle())) {
    const std::unique_ptr<PGnotify, void (*)(void*)> owner(raw, PQfreemem);
    if (ProofChannel() == raw->relname) {
      proven_ = true;
    } else {
      received_.push_back({raw->relname, raw->extra, raw->be_pid});
    }
  }
}

bool Listener::Lost(const char* why) {
  lost_ = true;
  if (error_.message.empty()) error_.message = why;
  return false;
}

}  // namespace sluice::postgres
