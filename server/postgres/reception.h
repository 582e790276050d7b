#ifndef SLUICE_SERVER_POSTGRES_RECEPTION_H_
#define SLUICE_SERVER_POSTGRES_RECEPTION_H_

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "server/postgres/canceller.h"
#include "server/postgres/flight.h"
#include "server/postgres/interrupt.h"
#include "server/postgres/streams.h"

struct pg_conn;
struct pg_result;

namespace sluice::postgres {

// Reads the answer to one message to its end, and never waits for ever: an interrupt, the
// deadline or too much data cancel the statement, and a statement that does not end even
// then is given up.
class Reception {
 public:
  struct Limits {
    absl::Time deadline;
    absl::Time cancel_at;        // the same, with a little room for statement_timeout
    absl::Duration cancel_wait;  // from a cancel to giving up,
    absl::Time answer_by;        // and not after this
    int64_t answer_bytes_max;    // with a sink, of one row
  };

  // `notices` counts those that the connection's notice receiver has had.
  Reception(pg_conn* connection, Interrupt* interrupt, Canceller* canceller, const Limits& limits,
            const Streams& streams, const int64_t* notices)
      : connection_(connection),
        interrupt_(interrupt),
        canceller_(canceller),
        limits_(limits),
        streams_(streams),
        notices_(*notices) {}

  // Skips the results of `prelude_statements`; the others go to report->results.
  void Read(size_t prelude_statements, FlightReport* report);

  // After Read: the first error that came, and behind how many completed statements.
  const std::optional<ServerError>& error() const { return error_; }
  size_t completed() const { return completed_; }
  CutShort cut_short() const { return cut_short_; }
  // Of the answer, the prelude's included; the rows that a sink took.
  int64_t bytes_received() const { return bytes_received_; }
  int64_t rows_streamed() const { return rows_streamed_; }
  bool cancel_sent() const { return cancel_sent_; }
  // One was wanted, and could not be sent.
  bool cancel_refused() const { return cancel_refused_; }
  bool gave_up() const { return gave_up_; }
  bool copying() const { return copying_; }
  bool streams_were_used() const { return streams_were_used_; }
  // Something came behind a cut and was not taken: the answer is not whole, also if the statement was faster than its
  // cancel.
  bool has_left_out() const { return has_left_out_; }
  // COPY FROM STDIN was not told that it has all: so nothing of it can have been committed.
  bool copy_in_has_no_end() const { return copy_in_has_no_end_; }

 private:
  bool AwaitResult();
  bool AwaitMore();
  bool AwaitSocket(short events);
  void Cut(CutShort why);
  void Cancel();
  void CutWithoutCancel(CutShort why);
  void Consume();
  void Take(pg_result* result, size_t prelude_statements, FlightReport* report);
  void TakeRow(const Result& row, size_t prelude_statements);
  absl::Time rest_at() const;

  // What goes out or in between the beginning of a COPY and its result (copying.cc).
  bool ReceiveCopy();
  bool SendCopy();
  enum class DataSent { kAll, kNotAll, kGivenUp };
  DataSent SendData();
  DataSent SendPieces(absl::string_view data);
  bool AwaitRoom();
  bool SendAll();
  void HearServer();
  bool may_go_on() const;

  pg_conn* const connection_;
  Interrupt* const interrupt_;
  Canceller* const canceller_;
  const Limits limits_;
  const Streams streams_;
  const int64_t& notices_;

  std::optional<ServerError> error_;
  size_t completed_ = 0;  // the prelude's included
  int64_t bytes_received_ = 0;
  // Of them, those that the sink has had.
  int64_t bytes_taken_ = 0;
  int64_t rows_streamed_ = 0;
  // All that came on a TCP connection before this answer; unset for a unix socket, and with a
  // sink.
  std::optional<int64_t> tcp_bytes_before_;
  CutShort cut_short_ = CutShort::kNo;
  absl::Time give_up_at_ = absl::InfiniteFuture();
  absl::Time cancel_again_at_ = absl::InfiniteFuture();
  bool cancel_sent_ = false;
  bool cancel_refused_ = false;
  bool gave_up_ = false;
  bool copying_ = false;
  bool streams_were_used_ = false;
  bool has_left_out_ = false;
  bool copy_in_has_no_end_ = false;
  // While COPY FROM STDIN goes on: since when there is something unread of the server's.
  absl::Time spoken_at_ = absl::InfiniteFuture();
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_RECEPTION_H_
