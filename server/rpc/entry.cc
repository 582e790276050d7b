#include "server/rpc/entry.h"

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

Entry::Entry(CallBook* book) : book_(*book) {
  ++book_.in_progress_;
  ++book_.taken_;
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
