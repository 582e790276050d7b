#ifndef SLUICE_TESTS_FAULTS_LOAD_H_
#define SLUICE_TESTS_FAULTS_LOAD_H_

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/time/time.h"
#include "client/cpp/database.h"
#include "server/base/mutex.h"
#include "tests/faults/books.h"

namespace sluice {

// Callers that make calls of every kind at random, one after the other, and keep books of what they are told: reads,
// writes, batches, writes with a request_id, transactions, streams, copies in and out; and one that listens while
// another one notifies. Nothing is tried again behind their backs, but what has a request_id, which they ask for until
// it is done (or there is but a standby).
class Load {
 public:
  struct Options {
    // Addresses of gateways; each caller has one of them.
    std::vector<std::string> gateways;
    int callers = 12;
    // Of each call; one in `hasty` has between 1 and 50 ms instead, and some leave in the middle. 0: none.
    absl::Duration timeout = absl::Seconds(5);
    int hasty = 10;
    // Somebody listens, too (needs the gateways' listen_url).
    bool listens = false;
    // False: nothing but reads.
    bool writes = true;
  };

  // Begins. `books` must outlive it.
  Load(const Options& options, Books* books);
  // Ends with the calls that are in progress.
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  int64_t notifications() const { return notifications_; }

 private:
  class Caller;
  void Call(int number);
  void Notify();
  void Listen();
  void CheckOrder(int64_t last, int64_t number);

  const Options options_;
  Books& books_;
  std::atomic<bool> ending_{false};
  std::atomic<int64_t> notifications_{0};
  Mutex mu_;
  // What the one that notifies was told OK of.
  std::set<int64_t> notified_ ABSL_GUARDED_BY(mu_);
  client::Subscription* listening_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::vector<std::thread> threads_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_FAULTS_LOAD_H_
