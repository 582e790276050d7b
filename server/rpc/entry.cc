#include "server/rpc/entry.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sluice::rpc {

void CallBook::Drain() {
  std::vector<std::shared_ptr<Call>> calls;
  {
    MutexLock lock(&mu_);
    // The entries live, under the lock.
    for (const Entry* entry : entries_) {
      if (entry->call_ != nullptr) calls.push_back(entry->call_);
    }
  }
  for (const std::shared_ptr<Call>& call : calls) call->Drain();
}

std::vector<observe::CallState> CallBook::Longest(size_t calls_max, int64_t after) {
  std::vector<std::pair<int64_t, std::shared_ptr<Call>>> calls;
  {
    MutexLock lock(&mu_);
    for (const Entry* entry : entries_) {
      if (entry->call_ != nullptr && entry->id_ > after) calls.emplace_back(entry->id_, entry->call_);
    }
  }
  // Numbers are given in the order of their arrival.
  std::sort(calls.begin(), calls.end());
  if (calls.size() > calls_max) calls.resize(calls_max);
  std::vector<observe::CallState> states;
  for (const auto& [id, call] : calls) {
    states.push_back(call->state());
    states.back().id = id;
  }
  return states;
}

bool CallBook::CancelForOperator(int64_t id) {
  std::shared_ptr<Call> call;
  {
    MutexLock lock(&mu_);
    for (const Entry* entry : entries_) {
      if (entry->id_ == id) call = entry->call_;
    }
  }
  if (call != nullptr) call->CancelForOperator();
  return call != nullptr;
}

Entry::Entry(CallBook* book) : book_(*book), id_(++book->taken_) {
  ++book_.in_progress_;
  MutexLock lock(&book_.mu_);
  book_.entries_.insert(this);
}

Entry::~Entry() {
  {
    MutexLock lock(&book_.mu_);
    book_.entries_.erase(this);
  }
  --book_.in_progress_;
}

void Entry::Attach(std::shared_ptr<Call> call) {
  MutexLock lock(&book_.mu_);
  call_ = std::move(call);
}

std::shared_ptr<Call> Entry::call() const {
  MutexLock lock(&book_.mu_);
  return call_;
}

void Entry::EndUnbegun(const absl::Status& status) {
  const std::shared_ptr<Call> unbegun = call();
  unbegun == nullptr ? Finish(status, nullptr) : unbegun->Refuse(status);
}

void Entry::CancelCall() {
  if (const std::shared_ptr<Call> cancelled = call()) cancelled->OnCancel();
}

}  // namespace sluice::rpc
