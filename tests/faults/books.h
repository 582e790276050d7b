#ifndef SLUICE_TESTS_FAULTS_BOOKS_H_
#define SLUICE_TESTS_FAULTS_BOOKS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/base/mutex.h"
#include "tests/support/direct.h"

namespace sluice {

// What each call was told, to be compared with what the database has of it. A call leaves rows with its number in the
// table `effects`: `all` of them if it is done, none if it is not. Thread-safe.
class Books {
 public:
  struct Entry {
    const char* kind;
    int64_t call;
    int all;  // rows; 0 for a call that only reads
    absl::Status told;
    // With a request_id: of several tries one that was told UNKNOWN may have done it, whatever the last one was told.
    bool may_be_done = false;
  };
  void Note(Entry entry);
  // Something else that must not be, such as a wrong answer.
  void NoteLie(std::string what);

  // A call's number.
  int64_t NextCall();

  struct Tally {
    int64_t ok = 0, undone = 0, unknown = 0;
    int64_t calls() const { return ok + undone + unknown; }
  };
  std::map<std::string, Tally> Tallies() const;
  Tally Total() const;

  // Makes the tables anew.
  static void Open(testing_support::Direct* database);
  // Once nothing goes on any more: each lie in words, at most a hundred.
  std::vector<std::string> Audit(testing_support::Direct* database) const;

 private:
  mutable Mutex mu_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> lies_ ABSL_GUARDED_BY(mu_);
  int64_t calls_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_FAULTS_BOOKS_H_
