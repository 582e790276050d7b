#ifndef SLUICE_SERVER_QUERY_SEATS_H_
#define SLUICE_SERVER_QUERY_SEATS_H_

#include <vector>

#include "server/query/together.h"

namespace sluice::query {

// Those that ask for the same: one statement, one answer. Of writes, one call.
struct Seat {
  std::vector<Companion*> companions;

  const Plan& plan() const { return *companions[0]->plan; }
};

// Who sits where in a shared flight. Pointers go into the companions.
struct Seating {
  std::vector<Seat> seats;
  // Those that were cancelled meanwhile.
  std::vector<Companion*> left;
  // Those that must not meet the first one: they were put together by a hash, which two identities may
  // have in common.
  std::vector<Companion*> strangers;
};

Seating TakeSeats(std::vector<Companion>* companions);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_SEATS_H_
