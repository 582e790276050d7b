#ifndef SLUICE_SERVER_OBSERVE_ERROR_BOARD_H_
#define SLUICE_SERVER_OBSERVE_ERROR_BOARD_H_

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/observe/events.h"
#include "server/observe/state.h"

namespace sluice::observe {

// The errors of late, one entry for each reason and outcome. Never a message, which may quote values.
class ErrorBoard : public Observer {
 public:
  void Record(const Event& event) override;

  // The last one first.
  std::vector<ErrorState> Latest() const;

 private:
  void Note(const CallFinished& call, const std::string& reason, const std::string& outcome,
            const std::string& sqlstate);

  // Of more, the one that was seen last the longest time ago is forgotten.
  static constexpr size_t kEntriesMax = 50;

  mutable Mutex mu_;
  std::map<std::pair<std::string, std::string>, ErrorState> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sluice::observe

#endif  // SLUICE_SERVER_OBSERVE_ERROR_BOARD_H_
