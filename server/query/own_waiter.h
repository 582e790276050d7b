#ifndef SLUICE_SERVER_QUERY_OWN_WAITER_H_
#define SLUICE_SERVER_QUERY_OWN_WAITER_H_

#include <cstddef>
#include <string>

#include "absl/time/time.h"
#include "server/admission/line.h"

namespace sluice::query {

// What the gateway itself has to do on some connection, by then or not at all. It takes its turn with the callers, as
// nobody's.
class OwnWaiter : public admission::Waiter {
 public:
  explicit OwnWaiter(absl::Time until) : until_(until) {}

  const std::string& caller() const override {
    static const std::string& gateway = *new std::string();
    return gateway;
  }
  size_t bytes() const override { return sizeof(*this); }
  absl::Time deadline() const override { return until_; }

 private:
  const absl::Time until_;
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_OWN_WAITER_H_
