#include "server/postgres/interrupt.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace sluice::postgres {

Interrupt::Interrupt() : event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Interrupt::~Interrupt() { close(event_); }

void Interrupt::Raise() {
  raised_ = true;
  eventfd_write(event_, 1);
}

void Interrupt::Clear() {
  if (!raised_) return;
  eventfd_t ignored;
  eventfd_read(event_, &ignored);
  raised_ = false;
}

}  // namespace sluice::postgres
