#ifndef SLUICE_SERVER_POSTGRES_MESSAGE_H_
#define SLUICE_SERVER_POSTGRES_MESSAGE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/postgres/flight.h"

namespace sluice::postgres {

// What every flight of a session begins with: SET LOCAL jit = off; ...
struct FixedPrelude {
  std::string text;
  size_t statements = 0;
  // A call gets no more time than the role or database allows to whoever sets nothing.
  absl::Duration time_limit_max = absl::InfiniteDuration();

  void SetLocal(absl::string_view assignment);
};

// A flight as it goes over the wire, and where its parts are.
struct Message {
  std::string text;
  // Each gives a result before the flight's own statements do.
  size_t prelude_statements = 0;
  // Whether some of them are the gateway's own, and not asked for by the call.
  bool has_own_sets = false;
  // The statement_timeout among them.
  absl::Duration time_limit = absl::InfiniteDuration();
  // Byte at which each of the flight's statements begins.
  std::vector<size_t> begins;
};

// SET TRANSACTION ...; fixed prelude; SET LOCAL statement_timeout = ...; identity; statements. A flight
// that is alone has its statement only. `sets_time_limit`: false where the other side takes
// no SET beside statements.
Message Compose(const Flight& flight, const FixedPrelude& prelude, bool sets_time_limit, absl::Time now);

// Which of the flight's statements an error is about, and where in it. PostgreSQL parses the
// whole message before it runs the first statement, so a syntax error comes before any
// result: its position tells. Otherwise it is the one behind `completed` others.
void LocateError(const Message& message, size_t completed, FlightFailure* failure);

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_MESSAGE_H_
