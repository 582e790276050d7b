#include "server/postgres/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "server/postgres/socket_input.h"

namespace sluice::postgres {

Interrupt::Interrupt() : event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Interrupt::~Interrupt() { close(event_); }

// In this order, and Clear in the other one: so that the descriptor is never left readable without the flag, which
// would make a loop of whoever waits for both.
void Interrupt::Raise() {
  eventfd_write(event_, 1);
  raised_ = true;
}

void Interrupt::Clear() {
  if (!raised_) return;
  raised_ = false;
  eventfd_t ignored;
  eventfd_read(event_, &ignored);
}

void Interrupt::Await(absl::Time until) const {
  while (!raised_ && absl::Now() < until) {
    pollfd wait = {event_, POLLIN, 0};
    poll(&wait, 1, MillisecondsUntil(until));
  }
}

}  // namespace sluice::postgres
