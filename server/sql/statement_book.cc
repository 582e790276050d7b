#include "server/sql/statement_book.h"

#include <algorithm>
#include <cstddef>
#include <functional>

#include "server/base/status_macros.h"

namespace sluice::sql {
namespace {

constexpr absl::Duration kCheap = absl::Milliseconds(3);

size_t BytesOf(const KnownStatement& known) {
  return sizeof(known) + known.text.size() + known.facts.placeholders.size() * sizeof(Placeholder);
}

// Gives each of them its part of a time that all took together, by what they usually take.
template <typename Element, typename Usual, typename Record>
void ShareOut(const std::vector<Element*>& elements, absl::Duration took, Usual usual_of, Record record) {
  if (elements.size() == 1) return record(elements[0], took);
  // All of them before the first is recorded, which may be the second one's as well.
  std::vector<absl::Duration> usual;
  absl::Duration sum;
  for (const Element* element : elements) {
    usual.push_back(std::max(usual_of(element), absl::Microseconds(1)));
    sum += usual.back();
  }
  for (size_t i = 0; i < elements.size(); ++i) record(elements[i], took * absl::FDivDuration(usual[i], sum));
}

}  // namespace

bool StatementCost::is_cheap() const {
  const int64_t typical_us = typical_us_;
  return typical_us >= 0 && typical_us <= absl::ToInt64Microseconds(kCheap);
}

absl::Duration StatementCost::typical() const { return absl::Microseconds(std::max<int64_t>(typical_us_, 0)); }

// Down at once, up slowly: that a busy machine makes everything slow says nothing about the
// statement. (At an eighth instead of a 64th of the way, 64 callers of a quick read had 16,800 instead of
// 17,700 calls a second: in a crowd it seemed too slow for company.) A race loses one sample.
void StatementCost::Record(absl::Duration took) {
  const int64_t us = std::max<int64_t>(absl::ToInt64Microseconds(took), 0);
  const int64_t typical_us = typical_us_;
  if (typical_us < 0 || us < typical_us) {
    typical_us_ = us;
  } else {
    typical_us_ = typical_us + (us - typical_us + 63) / 64;
  }
}

void RecordTogether(const std::vector<StatementCost*>& costs, absl::Duration took) {
  const auto usual = [](const StatementCost* cost) { return cost->typical(); };
  ShareOut(costs, took, usual, [](StatementCost* cost, absl::Duration part) { cost->Record(part); });
}

absl::Duration StatementUse::mean() const {
  const int64_t calls = calls_;
  return calls == 0 ? absl::ZeroDuration() : total_time() / calls;
}

void StatementUse::Record(absl::Duration took) {
  ++calls_;
  total_us_ += std::max<int64_t>(absl::ToInt64Microseconds(took), 0);
}

void RecordUse(const std::vector<KnownStatement*>& statements, absl::Duration took) {
  const auto usual = [](const KnownStatement* statement) { return statement->use.mean(); };
  ShareOut(statements, took, usual,
           [](KnownStatement* statement, absl::Duration part) { statement->use.Record(part); });
}

std::vector<std::shared_ptr<KnownStatement>> StatementBook::MostUsed(size_t count_max) {
  std::vector<std::shared_ptr<KnownStatement>> all;
  {
    MutexLock lock(&mu_);
    for (const Generation* generation : {&young_, &old_}) {
      for (const auto& [key, known] : *generation) {
        // One that is in both is shared by them.
        if (generation == &young_ || young_.count(key) == 0) all.push_back(known);
      }
    }
  }
  if (all.size() <= count_max) return all;
  // By a copy: they go on being used.
  std::vector<std::pair<absl::Duration, size_t>> order;
  for (size_t i = 0; i < all.size(); ++i) order.emplace_back(all[i]->use.total_time(), i);
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count_max), order.end(),
                   std::greater<>());
  std::vector<std::shared_ptr<KnownStatement>> most;
  for (size_t i = 0; i < count_max; ++i) most.push_back(std::move(all[order[i].second]));
  return most;
}

absl::StatusOr<std::shared_ptr<KnownStatement>> StatementBook::Read(absl::string_view text, bool has_parameters) {
  const bool is_kept = text.size() <= kTextBytesMax;
  if (is_kept) {
    MutexLock lock(&mu_);
    if (std::shared_ptr<KnownStatement> known = Find({text, has_parameters})) return known;
  }
  ASSIGN_OR_RETURN(Statement facts, ParseStatement(text, has_parameters));
  std::shared_ptr<KnownStatement> read(new KnownStatement{std::string(text), std::move(facts), {}, {}});
  if (!is_kept) return read;
  MutexLock lock(&mu_);
  // Another call may have read it meanwhile, and knows its cost.
  if (std::shared_ptr<KnownStatement> known = Find({text, has_parameters})) return known;
  Keep(has_parameters, read);
  return read;
}

std::shared_ptr<KnownStatement> StatementBook::Find(const Key& key) {
  if (const auto found = young_.find(key); found != young_.end()) return found->second;
  const auto found = old_.find(key);
  if (found == old_.end()) return nullptr;
  std::shared_ptr<KnownStatement> known = found->second;
  Keep(key.second, known);
  return known;
}

void StatementBook::Keep(bool has_parameters, const std::shared_ptr<KnownStatement>& known) {
  if (young_.size() >= kTextsMax || young_bytes_ + BytesOf(*known) > kBytesMax) {
    old_ = std::move(young_);
    young_.clear();
    young_bytes_ = 0;
  }
  young_[{known->text, has_parameters}] = known;
  young_bytes_ += BytesOf(*known);
}

}  // namespace sluice::sql
