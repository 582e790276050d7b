#include "server/observe/error_board.h"

#include <algorithm>
#include <variant>

#include "absl/time/clock.h"
#include "server/base/error.h"

namespace sluice::observe {

void ErrorBoard::Record(const Event& event) {
  const auto* call = std::get_if<CallFinished>(&event);
  if (call == nullptr) return;
  for (const CallFinished::FailedStatement& failed : call->failed_statements) {
    Note(*call, failed.reason, failed.outcome, failed.sqlstate);
  }
  if (call->status.ok()) return;
  const ErrorFacts facts = FactsOf(call->status);
  Note(*call, facts.reason, std::string(OutcomeName(facts.outcome)),
       facts.postgres.has_value() ? facts.postgres->sqlstate() : "");
}

void ErrorBoard::Note(const CallFinished& call, const std::string& reason, const std::string& outcome,
                      const std::string& sqlstate) {
  ErrorState seen;
  seen.reason = reason;
  seen.outcome = outcome;
  seen.sqlstate = sqlstate;
  seen.method = call.method;
  seen.caller = call.caller;
  seen.tag = call.tag;
  seen.last_at = absl::Now();
  MutexLock lock(&mu_);
  ErrorState& entry = entries_[{seen.reason, seen.outcome}];
  seen.count = entry.count + 1;
  entry = std::move(seen);
  if (entries_.size() <= kEntriesMax) return;
  entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](const auto& one, const auto& other) {
    return one.second.last_at < other.second.last_at;
  }));
}

std::vector<ErrorState> ErrorBoard::Latest() const {
  std::vector<ErrorState> latest;
  {
    MutexLock lock(&mu_);
    for (const auto& [key, entry] : entries_) latest.push_back(entry);
  }
  std::sort(latest.begin(), latest.end(),
            [](const ErrorState& one, const ErrorState& other) { return one.last_at > other.last_at; });
  return latest;
}

}  // namespace sluice::observe
