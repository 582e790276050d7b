#include "tests/faults/books.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace sluice {
namespace {

bool IsUndone(const absl::Status& told) {
  return OutcomeOf(told) == v1::OUTCOME_NOT_STARTED || OutcomeOf(told) == v1::OUTCOME_ROLLED_BACK;
}

// Empty if it is true.
std::string WhyFalse(const Books::Entry& entry, int rows) {
  if (rows != 0 && rows != entry.all) return absl::StrCat("half done: ", rows, " of ", entry.all);
  if (entry.told.ok()) return rows == entry.all ? "" : "told OK, and not done";
  if (entry.may_be_done) return "";
  if (IsUndone(entry.told) && rows != 0) return "told not done, and done";
  return "";
}

}  // namespace

void Books::Note(Entry entry) {
  MutexLock lock(&mu_);
  entries_.push_back(std::move(entry));
}

void Books::NoteLie(std::string what) {
  MutexLock lock(&mu_);
  lies_.push_back(std::move(what));
}

int64_t Books::NextCall() {
  MutexLock lock(&mu_);
  return ++calls_;
}

std::map<std::string, Books::Tally> Books::Tallies() const {
  MutexLock lock(&mu_);
  std::map<std::string, Tally> tallies;
  for (const Entry& entry : entries_) {
    Tally& tally = tallies[entry.kind];
    ++(entry.told.ok() ? tally.ok : IsUndone(entry.told) ? tally.undone : tally.unknown);
  }
  return tallies;
}

Books::Tally Books::Total() const {
  Tally total;
  for (const auto& [kind, tally] : Tallies()) {
    total.ok += tally.ok;
    total.undone += tally.undone;
    total.unknown += tally.unknown;
  }
  return total;
}

void Books::Open(testing_support::Direct* database) {
  database->Run("DROP TABLE IF EXISTS effects; CREATE TABLE effects (call bigint, n int)");
}

std::vector<std::string> Books::Audit(testing_support::Direct* database) const {
  absl::flat_hash_map<int64_t, int> rows_of;
  for (const auto& row : database->Execute("SELECT call, count(*) FROM effects GROUP BY call").rows) {
    int64_t call = 0;
    int rows = 0;
    if (absl::SimpleAtoi(*row[0], &call) && absl::SimpleAtoi(*row[1], &rows)) rows_of[call] = rows;
  }
  MutexLock lock(&mu_);
  std::vector<std::string> lies = lies_;
  for (const Entry& entry : entries_) {
    auto found = rows_of.find(entry.call);
    const std::string why = WhyFalse(entry, found == rows_of.end() ? 0 : found->second);
    if (!why.empty()) lies.push_back(absl::StrCat(entry.kind, " ", entry.call, ": ", why, ": ", entry.told.ToString()));
    if (found != rows_of.end()) rows_of.erase(found);
  }
  for (const auto& [call, rows] : rows_of) lies.push_back(absl::StrCat("nobody has made call ", call));
  constexpr size_t kLiesMax = 100;
  if (lies.size() > kLiesMax) lies.resize(kLiesMax);
  return lies;
}

}  // namespace sluice
