#ifndef SLUICE_SERVER_RPC_LAST_TURN_H_
#define SLUICE_SERVER_RPC_LAST_TURN_H_

#include <cstddef>

#include "absl/status/status.h"
#include "server/base/error.h"

namespace sluice::rpc {

// How a call's last turn ended, while it waits for another: what may have been done then is not
// forgotten for a turn that came to nothing.
class LastTurn {
 public:
  // `statement`: of an independent batch, whose turn it was.
  void Keep(const absl::Status& status, size_t statement) {
    const bool of_another = statement_ != statement;
    if (status_.ok() || of_another || OutcomeOf(status) != v1::OUTCOME_NOT_STARTED) status_ = status;
    statement_ = statement;
  }

  // What a call says that ends with `status` before this statement was started once more.
  const absl::Status& Or(const absl::Status& status, size_t statement) const {
    const bool left_something =
        !status_.ok() && statement_ == statement && OutcomeOf(status_) != v1::OUTCOME_NOT_STARTED;
    return left_something ? status_ : status;
  }

 private:
  absl::Status status_;
  size_t statement_ = 0;
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_LAST_TURN_H_
