#ifndef SLUICE_SERVER_POSTGRES_ROUND_TRIP_H_
#define SLUICE_SERVER_POSTGRES_ROUND_TRIP_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace sluice::postgres {

// How long the way to the database and back takes, as all connections of a pool have found it: the
// shortest that a flight took. What is above it, a flight spent on its work.
//
// Work never lengthens it: if all statements took 40 ms, the way would seem to, and slow statements
// would look quick. Only a flight with next to no work in it does. Thread-safe; a race loses a sample.
class RoundTrip {
 public:
  // A flight came back with all that it was sent for.
  void OnFlight(absl::Duration took) {
    if (took < typical()) Set(took);
  }
  // One with next to no work: the way may have become longer.
  void OnProof(absl::Duration took) {
    const absl::Duration now = typical();
    Set(took < now ? took : now + (took - now) / 8);
  }
  // Infinite until something is known.
  absl::Duration typical() const {
    const int64_t us = microseconds_;
    return us < 0 ? absl::InfiniteDuration() : absl::Microseconds(us);
  }

 private:
  void Set(absl::Duration way) { microseconds_ = absl::ToInt64Microseconds(way); }

  std::atomic<int64_t> microseconds_{-1};
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_ROUND_TRIP_H_
