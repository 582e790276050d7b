#ifndef SLUICE_SERVER_QUERY_COST_BOOK_H_
#define SLUICE_SERVER_QUERY_COST_BOOK_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"

namespace sluice::query {

// How long a statement takes PostgreSQL, as far as it is known. Thread-safe.
class StatementCost {
 public:
  // Only what is known to be quick may fly together with others, so that one slow statement
  // does not delay them.
  bool is_cheap() const;
  void Record(absl::Duration took);

 private:
  // Microseconds; -1: not known yet.
  std::atomic<int64_t> typical_us_{-1};
};

// The costs of the statements that callers send, by their texts without values. Bounded: of
// 10,000 texts; then it learns anew. Thread-safe.
class CostBook {
 public:
  // Shared with the calls that have the statement.
  std::shared_ptr<StatementCost> Of(absl::string_view sql);

 private:
  Mutex mu_;
  absl::flat_hash_map<uint64_t, std::shared_ptr<StatementCost>> costs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_COST_BOOK_H_
