#ifndef SLUICE_SERVER_POSTGRES_CONNECTION_H_
#define SLUICE_SERVER_POSTGRES_CONNECTION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/observe/events.h"
#include "server/postgres/canceller.h"
#include "server/postgres/fate.h"
#include "server/postgres/flight.h"
#include "server/postgres/interrupt.h"
#include "server/postgres/jit.h"
#include "server/postgres/message.h"
#include "server/postgres/round_trip.h"
#include "server/postgres/server_facts.h"
#include "server/postgres/session.h"
#include "server/postgres/transmission.h"

namespace sluice::postgres {

class Reception;

// Where the session stands between flights.
enum class SessionState { kIdle, kBusy, kInTransaction, kCopying, kLost };

// Where a connection's notice receiver puts what it gets.
struct NoticeInbox {
  std::vector<ServerError>* kept = nullptr;  // null between flights
  int64_t received = 0;
  // What ended the session (FATAL, PANIC), whenever it came: also right behind an answer, before the socket is closed.
  std::optional<ServerError> last_words;
};

// One session with PostgreSQL, or with a pooler in front of it, in the simple query
// protocol only. Not thread-safe, except for Interrupt(): one thread owns it.
class Connection {
 public:
  struct Options {
    ConnectionParameters parameters;
    absl::Duration connect_timeout = absl::Seconds(10);
    // After a cancel request, how long to wait for the statement to end.
    absl::Duration cancel_wait = absl::Seconds(2);
    // When it becomes true, an attempt to connect is given up within 100 ms.
    const std::atomic<bool>* closing = nullptr;
    // What all connections of a pool learn together; null: this one learns by itself.
    RoundTrip* round_trip = nullptr;
    // Hears of its flights; may be null.
    observe::Observer* observer = nullptr;
  };

  struct OpenFailure {
    Fate fate = Fate::kNotRun;
    ServerError error;
  };

  // Connects and asks the server about itself (one round trip). Null on failure. `jit`
  // and `canceller` must outlive the connection.
  static std::unique_ptr<Connection> Open(const Options& options, JitPolicy* jit, Canceller* canceller,
                                          OpenFailure* failure);

  // Sends one message and reads its whole answer. Checks first, with one system call,
  // that the session still lives: what is found dead here was not started. Returns by the
  // flight's TimeBudget::answer_by; if that is infinite, by its deadline plus TimeBudget::cancel_room
  // and twice Options::cancel_wait.
  FlightReport Fly(const Flight& flight);
  // Of one that was given up with its statement perhaps running, the canceller takes the rest over.
  ~Connection();

  // Cancels the flight in progress, or the next one, from any thread. The owner clears it
  // before it tells anybody whom to interrupt.
  void Interrupt() { interrupt_.Raise(); }
  void ClearInterrupt() { interrupt_.Clear(); }

  SessionState state() const;
  // PostgreSQL has ended the session, behind the answer to the last flight: the next one would find it dead.
  bool was_ended() const { return notices_.last_words.has_value(); }
  bool cancel_may_still_arrive() const { return cancel_may_still_arrive_; }
  // The pooler refused how this session carries the JIT setting; a new one will not.
  bool jit_refused() const { return jit_refused_; }
  absl::Time opened_at() const { return opened_at_; }
  // The way there and back; infinite until it is known.
  absl::Duration round_trip() const { return round_trip_->typical(); }
  const ServerFacts& facts() const { return facts_; }
  // Calls can share a flight only where it can be READ ONLY, which takes a SET beside them.
  // And only in READ COMMITTED does each see what it would see alone, and is nothing taken back that
  // one before a failure was told.
  bool may_carry_company() const { return jit_->may_set_beside_statements() && facts_.reads_committed; }
  // The last flight came to its end, or PostgreSQL itself judged a statement of it: proof that
  // there is a database behind this session.
  bool answered() const { return answered_; }
  // It was sent, and that did not come of it.
  bool failed_to_answer() const { return sent_ && !answered_; }
  // Reads standard_conforming_strings as the server last reported it.
  bool strings_conform() const;
  // Somebody changed the session's encoding, or how it reads and writes values.
  bool reads_differently() const;

 private:
  Connection(std::unique_ptr<Session> session, const Options& options, JitPolicy* jit, Canceller* canceller);

  bool Probe(absl::Time deadline, OpenFailure* failure);
  void ComposePrelude();
  // `ended`: what its observer is to hear.
  std::optional<FlightFailure> FlyInto(const Flight& flight, FlightReport* report, observe::FlightEnded* ended);
  FlightFailure FailureOfSending(Sent sent);
  FlightFailure FailureOfAnswer(const Reception& reception, const Message& message, bool may_commit_midway,
                                absl::Time sent_at);
  Fate FateOf(const Reception& reception, const Message& message) const;
  Fate DoWithoutSets(const Message& message);
  FlightFailure NotStarted(CutShort cut_short) const;

  // In destruction order: the session goes first.
  sluice::postgres::Interrupt interrupt_;
  const absl::Duration cancel_wait_;
  JitPolicy* const jit_;
  Canceller* const canceller_;
  observe::Observer* const observer_;
  const absl::Time opened_at_;
  ServerFacts facts_;
  FixedPrelude prelude_;
  bool cancel_may_still_arrive_ = false;
  bool jit_refused_ = false;
  bool lost_ = false;
  // Its statement was cancelled, and has not ended.
  bool unfinished_ = false;
  bool copying_ = false;
  bool sent_ = false;
  bool answered_ = false;
  RoundTrip own_round_trip_;
  RoundTrip* const round_trip_;
  NoticeInbox notices_;
  std::unique_ptr<Session> session_;
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_CONNECTION_H_
