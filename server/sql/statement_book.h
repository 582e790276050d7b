#ifndef SLUICE_SERVER_SQL_STATEMENT_BOOK_H_
#define SLUICE_SERVER_SQL_STATEMENT_BOOK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/sql/statement.h"

namespace sluice::sql {

// How long a statement takes PostgreSQL, as far as it is known. Thread-safe.
class StatementCost {
 public:
  // Only what is known to be quick may fly together with others, so that one slow statement
  // does not delay them.
  bool is_cheap() const;
  // Zero if it is not known yet.
  absl::Duration typical() const;
  void Record(absl::Duration took);

 private:
  // Microseconds; -1: not known yet.
  std::atomic<int64_t> typical_us_{-1};
};

// Of statements that ran one after the other and took so long in all: each one's part is by what they usually
// take, since equal parts would make one that is slow look quick among others. They may be one and the same.
void RecordTogether(const std::vector<StatementCost*>& costs, absl::Duration took);

// How much a statement is used. Thread-safe.
class StatementUse {
 public:
  int64_t calls() const { return calls_; }
  absl::Duration total_time() const { return absl::Microseconds(total_us_.load()); }
  // Zero before the first.
  absl::Duration mean() const;
  void Record(absl::Duration took);

 private:
  std::atomic<int64_t> calls_{0};
  std::atomic<int64_t> total_us_{0};
};

// What is known of a text. Shared by all calls that have it.
struct KnownStatement {
  const std::string text;
  const Statement facts;
  StatementCost cost;
  StatementUse use;
};

// As RecordTogether, by what they took in the mean until now.
void RecordUse(const std::vector<KnownStatement*>& statements, absl::Duration took);

// The statements that callers send, by their texts without values: few, for an application sends
// the same ones over and over, so each is read once (a short one takes as long to read as all
// else that is done to bind it). Bounded; whatever came lately stays. Thread-safe.
class StatementBook {
 public:
  // As ParseStatement, whose errors are not kept, nor are texts of more than 64 KiB.
  absl::StatusOr<std::shared_ptr<KnownStatement>> Read(absl::string_view text, bool has_parameters);

  // Those whose use took the longest time in all, at most so many; in no order.
  std::vector<std::shared_ptr<KnownStatement>> MostUsed(size_t count_max);

 private:
  // Two generations: when the young one is full it becomes the old one, which is forgotten.
  static constexpr size_t kTextsMax = 5000;
  static constexpr size_t kBytesMax = 8 << 20;
  static constexpr size_t kTextBytesMax = 64 << 10;

  // The text is the entry's own.
  using Key = std::pair<absl::string_view, bool>;
  using Generation = absl::flat_hash_map<Key, std::shared_ptr<KnownStatement>>;

  std::shared_ptr<KnownStatement> Find(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Keep(bool has_parameters, const std::shared_ptr<KnownStatement>& known) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Mutex mu_;
  Generation young_ ABSL_GUARDED_BY(mu_);
  Generation old_ ABSL_GUARDED_BY(mu_);
  size_t young_bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace sluice::sql

#endif  // SLUICE_SERVER_SQL_STATEMENT_BOOK_H_
