#include "server/postgres/reception.h"

#include <libpq-fe.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "absl/time/clock.h"
#include "server/postgres/socket_input.h"

namespace sluice::postgres {
namespace {

// All that the kernel has received on a TCP connection; nullopt on another socket.
std::optional<int64_t> TcpBytesReceived(int socket) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  return static_cast<int64_t>(info.tcpi_bytes_received);
}

int64_t BytesWaiting(int socket) {
  int available = 0;
  return ioctl(socket, FIONREAD, &available) == 0 ? available : 0;
}

}  // namespace

void Reception::Read(size_t prelude_statements, FlightReport* report) {
  // What a sink has not yet taken may wait in the kernel: there is no saying how much of it is of this row.
  if (streams_.sink() == nullptr) tcp_bytes_before_ = TcpBytesReceived(PQsocket(connection_));
  while (AwaitResult()) {
    PGresult* result = PQgetResult(connection_);
    if (result == nullptr) return;
    const ExecStatusType status = PQresultStatus(result);
    Take(result, prelude_statements, report);
    // In COPY every further call would give the same result again.
    if (copying_) return;
    if (status == PGRES_COPY_OUT && !ReceiveCopy()) break;
    if (status == PGRES_COPY_IN && !SendCopy()) break;
  }
  gave_up_ = true;
}

// False when the wait was given up.
bool Reception::AwaitResult() {
  while (PQisBusy(connection_)) {
    if (!AwaitMore()) return false;
  }
  return true;
}

bool Reception::AwaitMore() {
  if (!HasDecryptedInput(connection_) && !AwaitSocket(POLLIN)) return false;
  Consume();
  const int64_t bytes_kept = bytes_received_ - bytes_taken_;
  if (bytes_kept > limits_.answer_bytes_max) Cut(CutShort::kBySize);
  // PostgreSQL does not hear of a cancel while it sends what it has: the rest is not waited for.
  return bytes_kept <= limits_.answer_bytes_max + limits_.answer_bytes_max / 4;
}

// `events`: of poll().
bool Reception::AwaitSocket(short events) {
  for (;;) {
    const absl::Time now = absl::Now();
    if (now >= give_up_at_) return false;
    // Looked at once: one that is raised behind this wakes the poll below.
    const bool is_interrupted = interrupt_->raised();
    if (cut_short_ == CutShort::kNo) {
      // gRPC cancels a call at its deadline too, when statement_timeout is about to end it.
      if (is_interrupted && now < limits_.deadline) Cut(CutShort::kByCaller);
      if (now >= limits_.cancel_at) Cut(CutShort::kByDeadline);
    }
    if (now >= cancel_again_at_) Cancel();
    if (now >= rest_at() && !HasInput(connection_) && !streams_.sink()->Rest()) Cut(CutShort::kByStream);
    const bool running = cut_short_ == CutShort::kNo;
    const bool interruptible = running && !is_interrupted;
    pollfd waits[2] = {{PQsocket(connection_), events, 0}, {interrupt_->file_descriptor(), POLLIN, 0}};
    const absl::Time wake_at = std::min({running ? limits_.cancel_at : give_up_at_, rest_at(), cancel_again_at_});
    const int ready = poll(waits, interruptible ? 2 : 1, MillisecondsUntil(wake_at));
    if (ready < 0 && errno != EINTR) return true;
    if (ready > 0 && waits[0].revents != 0) return true;
  }
}

absl::Time Reception::rest_at() const {
  const AnswerSink* sink = streams_.sink();
  return sink == nullptr || cut_short_ != CutShort::kNo ? absl::InfiniteFuture() : sink->rest_at();
}

void Reception::Cut(CutShort why) {
  if (cut_short_ != CutShort::kNo) return;
  Cancel();
  CutWithoutCancel(why);
}

// Again after a while, as long as the statement has not ended: one that comes before the statement has begun (a busy
// server, a pooler that waits for one) cancels nothing.
void Reception::Cancel() {
  constexpr absl::Duration kAgain = absl::Milliseconds(500);
  const bool sent = canceller_->Request(connection_);
  cancel_sent_ |= sent;
  cancel_refused_ |= !sent;
  cancel_again_at_ = absl::Now() + kAgain;
}

void Reception::CutWithoutCancel(CutShort why) {
  cut_short_ = why;
  give_up_at_ = std::min(absl::Now() + limits_.cancel_wait, limits_.answer_by);
}

// libpq reads on until the whole result is in memory, and tells nobody how much that is. The
// kernel does, exactly for TCP. For a unix socket it is an estimate, good to a factor of two:
// libpq reads as much as its buffer has room for, which is 16 KiB unless one row is larger.
void Reception::Consume() {
  constexpr int64_t kBuffer = 16 << 10;
  const int socket = PQsocket(connection_);
  const int64_t waiting = tcp_bytes_before_.has_value() ? 0 : BytesWaiting(socket);
  // On failure PQisBusy is false next, and PQgetResult has the error.
  PQconsumeInput(connection_);
  if (tcp_bytes_before_.has_value()) {
    bytes_received_ = TcpBytesReceived(socket).value_or(0) - *tcp_bytes_before_;
  } else if (waiting <= kBuffer) {
    bytes_received_ += waiting;
  } else {
    bytes_received_ += std::max(kBuffer, waiting - BytesWaiting(socket));
  }
}

void Reception::Take(pg_result* raw, size_t prelude_statements, FlightReport* report) {
  Result result(raw);
  switch (PQresultStatus(raw)) {
    case PGRES_SINGLE_TUPLE: return TakeRow(result, prelude_statements);
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
      // Rows of a rule (DO ALSO SELECT), which come before those of the statement itself: only
      // what has a tag has completed.
      if (*PQcmdStatus(raw) == '\0' && PQresultStatus(raw) == PGRES_TUPLES_OK) {
        if (streams_were_used_ && cut_short_ == CutShort::kNo && !streams_.rows->BeginAnother())
          Cut(CutShort::kByStream);
        return;
      }
      // Behind an error nothing runs, so nothing completes.
      if (++completed_ > prelude_statements) report->results.push_back(std::move(result));
      return;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
      if (PQresultStatus(raw) == PGRES_COPY_OUT && streams_.copy_out != nullptr) return;
      if (PQresultStatus(raw) == PGRES_COPY_IN && streams_.copy_in != nullptr) return;
      copying_ = true;
      if (!error_.has_value()) {
        error_.emplace();
        error_->message = "the statement began a COPY through the client";
      }
      return;
    default:
      // The first error counts: after a FATAL, libpq adds one of its own without a SQLSTATE.
      if (!error_.has_value()) error_ = ReadServerError(raw);
  }
}

void Reception::TakeRow(const Result& row, size_t prelude_statements) {
  bytes_taken_ = bytes_received_;
  // The prelude's (of an identity) are nobody's; nor are those that still come when it is cut short.
  if (completed_ < prelude_statements) return;
  if (cut_short_ != CutShort::kNo) {
    has_left_out_ = true;
    return;
  }
  streams_were_used_ = true;
  ++rows_streamed_;
  if (!streams_.rows->Take(row)) Cut(CutShort::kByStream);
}

}  // namespace sluice::postgres
