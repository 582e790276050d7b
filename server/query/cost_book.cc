#include "server/query/cost_book.h"

#include <algorithm>

#include "absl/hash/hash.h"

namespace sluice::query {
namespace {

constexpr absl::Duration kCheap = absl::Milliseconds(3);
constexpr size_t kTextsMax = 10000;

}  // namespace

bool StatementCost::is_cheap() const {
  const int64_t typical_us = typical_us_;
  return typical_us >= 0 && typical_us <= absl::ToInt64Microseconds(kCheap);
}

// Down at once, up slowly: that a busy machine makes everything slow says nothing about the
// statement. A race loses one sample.
void StatementCost::Record(absl::Duration took) {
  const int64_t us = std::max<int64_t>(absl::ToInt64Microseconds(took), 0);
  const int64_t typical_us = typical_us_;
  if (typical_us < 0 || us < typical_us) {
    typical_us_ = us;
  } else {
    typical_us_ = typical_us + (us - typical_us + 7) / 8;
  }
}

std::shared_ptr<StatementCost> CostBook::Of(absl::string_view sql) {
  const uint64_t key = absl::Hash<absl::string_view>()(sql);
  MutexLock lock(&mu_);
  auto found = costs_.find(key);
  if (found != costs_.end()) return found->second;
  if (costs_.size() >= kTextsMax) costs_.clear();
  return costs_.emplace(key, std::make_shared<StatementCost>()).first->second;
}

}  // namespace sluice::query
