#ifndef SLUICE_SERVER_RPC_ENTRY_H_
#define SLUICE_SERVER_RPC_ENTRY_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "server/base/mutex.h"
#include "server/observe/state.h"
#include "server/rpc/call.h"

namespace sluice::rpc {

class Entry;

// The calls that gRPC has brought and is not done with. Thread-safe.
class CallBook {
 public:
  // Past so many at one time, a call is to be refused at once: whatever a client does, what its calls hold is bounded
  // (some 20 KiB each, most of it gRPC's).
  explicit CallBook(int calls_max) : calls_max_(calls_max) {}

  int calls_max() const { return calls_max_; }
  void set_calls_max(int calls_max) { calls_max_ = calls_max; }

  bool is_overfull() const { return in_progress_ > calls_max_; }
  int in_progress() const { return in_progress_; }
  // All since the start.
  int64_t taken() const { return taken_; }
  // Ends those that are in progress; each is answered.
  void Drain();
  // Those that are in progress for the longest time, of those that came behind the one with this id, at most so many;
  // the oldest first. But for Listen, and for what was not opened yet.
  std::vector<observe::CallState> Longest(size_t calls_max, int64_t after = 0);
  // False if it is not here (any more).
  bool CancelForOperator(int64_t id);

 private:
  friend class Entry;
  std::atomic<int> calls_max_;
  std::atomic<int> in_progress_{0};
  std::atomic<int64_t> taken_{0};
  Mutex mu_;
  absl::flat_hash_set<Entry*> entries_ ABSL_GUARDED_BY(mu_);
};

// One of them: joins a call with gRPC's reactor for it, which this is a part of.
class Entry : public Door {
 public:
  explicit Entry(CallBook* book);
  ~Entry() override;
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  void Attach(std::shared_ptr<Call> call);

 protected:
  void StartCall() { call()->Start(); }
  // Ends what has not begun.
  void EndUnbegun(const absl::Status& status);
  void CancelCall();

 private:
  friend class CallBook;
  // Null before Attach, and for a call that was refused.
  std::shared_ptr<Call> call() const;

  CallBook& book_;
  const int64_t id_;
  std::shared_ptr<Call> call_;  // under the book's lock
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_ENTRY_H_
