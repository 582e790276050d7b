#ifndef SLUICE_SERVER_QUERY_TURN_H_
#define SLUICE_SERVER_QUERY_TURN_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/admission/line.h"
#include "server/base/time_budget.h"
#include "server/observe/trace.h"
#include "server/postgres/connection.h"
#include "server/postgres/flight.h"
#include "server/query/cancel_token.h"
#include "server/sql/statement_book.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

// What a call has cost so far, over all its turns.
struct CallCost {
  absl::Time arrived_at;
  absl::Duration queue_time;
  absl::Duration database_time;
  int round_trips = 0;
  int attempts = 0;
  // Times that the work was done and had to be done again: bounded, unlike attempts that
  // found a dead connection.
  int reruns = 0;
  // Why it was done again within a turn (SERIALIZATION_FAILURE), each time.
  std::vector<std::string> conflicts;
  int backend_pid = 0;  // 0 behind a pooler
  int flight_statements = 0;
  // Of an independent batch: the statement whose turn it is.
  size_t statement = 0;
  // It must not share its next flight: what went wrong in one could go wrong again.
  bool flies_alone = false;
  // The way back broke in a flight that looked like a read: what flies next does so in a
  // READ ONLY transaction.
  bool flies_again_as_read = false;
  // Of a call with a request_id: a COMMIT was sent in an earlier try, and what became of it is not known yet.
  bool commit_is_unknown = false;
  // Its answer is that of an earlier call; of another one in its flight.
  bool is_repeated = false;
  bool is_merged = false;
  // It is a transaction, and was committed.
  bool is_committed = false;
  // Statements whose flight took the database so long, the first ones.
  static constexpr size_t kSlowMax = 10;
  absl::Duration slow_after = absl::InfiniteDuration();
  std::vector<std::shared_ptr<const sql::KnownStatement>> slow;
  // Where its spans go; null unless it is sampled.
  observe::CallTrace* trace = nullptr;
};

// The i-th statement of a flight, as a span: by its shape, with what came of it.
observe::Span SpanOfStatement(absl::string_view statement, const postgres::FlightReport& report, size_t i,
                              absl::Time begin, absl::Time end);
// A flight, with the first ones of its statements.
observe::Span SpanOf(const std::vector<absl::string_view>& statements, const postgres::FlightReport& report,
                     absl::Time begin, absl::Time end);

// What a call has cost, as the API tells it.
v1::CallInfo InfoOf(const CallCost& cost);

// A call's turn on a connection: it flies as often as it needs, and either comes to an end
// or asks for another turn on another connection.
class Turn {
 public:
  // `line`: where a connection for a question comes free while this one has an answer to read to its end.
  Turn(postgres::Connection* connection, CancelToken* token, const TimeBudget& time, CallCost* cost,
       admission::Line* line)
      : connection_(*connection), token_(*token), time_(time), cost_(*cost), line_(*line) {
    ++cost_.attempts;
    if (!connection->facts().behind_pooler) cost_.backend_pid = connection->facts().backend_pid;
  }

  // Flies within the call's deadline, and until `until`; its cancel cancels the flight.
  postgres::FlightReport Fly(postgres::Flight flight, absl::Time until = absl::InfiniteFuture());
  // The same for a question of the gateway's own. It costs the call time, and is no flight of its
  // statements. In the middle of an answer or a transaction it flies on another connection, within two seconds.
  postgres::FlightReport Ask(postgres::Flight flight);
  // From now on also in the middle of a transaction on this one, as a part of it: its caller takes that upon itself,
  // since a question that fails fails the transaction.
  void AskInside() { asks_inside_ = true; }

  // Ends a transaction that is still open: whatever became of its call, and within two seconds. Where it can not, the
  // connection is left in it, which closes it; PostgreSQL rolls back then as well.
  void Undo();

  // Some milliseconds at random, so that two that were in each other's way are not again at
  // once; nothing at all if the call has no time for it.
  void PauseBriefly();

  // Where the last flight has left the session.
  postgres::SessionState session() const { return connection_.state(); }
  const postgres::ServerFacts& server() const { return connection_.facts(); }
  // Whether a server with standard_conforming_strings = off would read strings differently.
  bool strings_conform() const { return connection_.strings_conform(); }
  const TimeBudget& time() const { return time_; }
  // The time that the whole call has.
  absl::Duration limit() const { return time_.work_until - cost_.arrived_at; }
  // Who has cancelled the call, and what its caller hears.
  CancelToken::EndedBy ended_by() const { return token_.ended_by(); }
  absl::Status WhyEnded(v1::Outcome outcome) const { return token_.WhyEnded(outcome); }
  CallCost& cost() { return cost_; }
  admission::Line* line() { return &line_; }
  // What the last flight took besides the way to the server and back.
  absl::Duration server_time() const { return server_time_; }

 private:
  postgres::Connection& connection_;
  CancelToken& token_;
  const TimeBudget time_;
  CallCost& cost_;
  admission::Line& line_;
  absl::Duration server_time_;
  bool asks_inside_ = false;
};

// How a turn ended.
struct TurnEnd {
  absl::Status status;
  // The call wants another turn; `status` is what it says if it can not have one.
  bool again = false;
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_TURN_H_
