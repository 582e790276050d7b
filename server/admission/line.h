#ifndef SLUICE_SERVER_ADMISSION_LINE_H_
#define SLUICE_SERVER_ADMISSION_LINE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/observe/state.h"

namespace sluice::postgres {
class Connection;
}

namespace sluice::admission {

// What the Line knows of who may be served together.
struct Company {
  // Calls of one caller with the same key fly together; 0 flies alone.
  uint64_t key = 0;
  // Those with the same content, too, ask for the same and get one answer; 0 is like no other.
  uint64_t content = 0;
  // How long PostgreSQL is likely to take.
  absl::Duration work;
  // With less time left it flies alone: a flight ends with the first deadline of those who share it.
  absl::Duration time_min;
};

// Which share of the connections a call may use.
enum class Lane {
  kShort,  // a statement or a batch: any of them
  kHeld    // a stream, which has its connection for as long as its client likes: not the last one
};

// Among the calls of one caller: those before others are served first, and those behind them give up their places when
// the Line is full. (Callers take turns all the same.)
enum class Priority { kHigh, kNormal, kLow };
constexpr size_t kPriorities = 3;

// A call that can wait in the Line. It is served once, or refused once.
class Waiter {
 public:
  virtual ~Waiter() = default;

  // Who asks, for fairness.
  virtual const std::string& caller() const = 0;
  virtual Lane lane() const { return Lane::kShort; }
  virtual Priority priority() const { return Priority::kNormal; }
  // Memory that it holds while it waits; does not change.
  virtual size_t bytes() const = 0;
  // When waiting any longer is of no use.
  virtual absl::Time deadline() const = 0;

  // On the thread of a connection that came free. Returns whether the call is done; if
  // not, it goes back to the head of the Line (nothing has run, or what ran may run again).
  virtual bool Serve(postgres::Connection& connection) = 0;

  // With whom it may be served together. Asked for by the Line under its lock: answered at once.
  virtual Company company() const { return Company(); }
  // The same for a whole company, of which this is the first. Returns those that are not done.
  virtual std::vector<std::shared_ptr<Waiter>> ServeTogether(std::vector<std::shared_ptr<Waiter>> company,
                                                             postgres::Connection& /*connection*/) {
    return company;
  }
  // It is in the Line again. Whoever was told meanwhile that nobody waits for it leaves. Called without
  // locks.
  virtual void OnRejoined() {}
  // Instead of Serve. Called without locks, on any thread.
  virtual void Refuse(const absl::Status& status) = 0;
};

// Shared between the RPC, which may cancel it, and the Line or the connection that serves it.
using WaiterPtr = std::shared_ptr<Waiter>;

// The calls that wait for a connection. First come, first served for each caller and priority, and the
// callers take turns, so that one who sends a thousand calls does not delay another's one. So do
// the lanes, while held calls have not yet as many connections as they may.
//
// Bounded in length and bytes (newcomers are refused at once), and in time: a thread of its own
// refuses those whose deadline passes, also when no connection ever comes. Thread-safe.
class Line {
 public:
  struct Options {
    size_t length_max = 10000;
    // Of all that wait together: one call may hold a bound statement of up to 64 MiB.
    size_t bytes_max = 512 << 20;
    // Of one caller; half, so that it can not fill the Line alone. (All of it where the
    // gateway does not know its callers, since all are one then.)
    size_t length_per_caller_max = 5000;
    size_t bytes_per_caller_max = 256 << 20;
    // What is served together, at most: so many that ask for something different, with so many
    // bytes. 1 switches it off.
    size_t company_max = 32;
    size_t company_bytes_max = 256 << 10;
    // Held calls that are served at one time.
    size_t held_max = std::numeric_limits<size_t>::max();
  };

  explicit Line(const Options& options);
  // For those who come from now on; who waits already stays, also where it is more than that now. But where no call may
  // be held any more, those that wait for it are refused: HELD_CALLS_OFF.
  void Adjust(const Options& options);
  // Closes, and refuses whoever still waits.
  ~Line();

  // GATEWAY_OVERLOADED when full, DRAINING when closed, and what Bar was given. On error the
  // waiter is not kept. Where it is full, one of the caller's own calls of a lower priority (the last short one, else
  // the last held one) is refused instead, if that makes room enough.
  absl::Status Join(WaiterPtr waiter);
  // Takes a waiter out; false if it is not in the Line (any more).
  bool Leave(const Waiter* waiter);

  // For the connections' threads.
  // Waits for a call until `until`, and takes with it those of the same caller that may be
  // served together with it and wait already: nobody ever waits for company. Whose work together
  // takes longer than `work_max` are not, nor is who has less than four times that left, or than its
  // Company says; at zero it takes one. In order; empty at `until`, and when the Line is closed and empty.
  std::vector<WaiterPtr> Next(absl::Time until, absl::Duration work_max);
  // Fewer held calls at one time than Options::held_max, or not any more: where the pool can not have all its
  // connections.
  void LimitHeld(size_t held_max);
  // A held call that Next gave has its connection no longer.
  void ReleaseHeld();
  // Back to the head in their order, whatever the length; refused with DRAINING if the Line has
  // closed.
  void Rejoin(std::vector<WaiterPtr> waiters);
  // Waits until more calls wait than threads wait in Next, so that opening a connection
  // makes sense. False when the Line is closed and empty.
  bool AwaitDemand();

  // Lets go all that wait in Next, empty-handed: there is something for them to look at.
  void WakeTakers();

  // Waits until `until`, or until the Line is closed: true then.
  bool AwaitClose(absl::Time until);

  // Refuses all that wait.
  void RefuseAll(const absl::Status& status);
  // Refuses newcomers until it is OK again: for a reason that waiting would not mend. Returns those who wait
  // already, for the caller to refuse without locks; none if it is OK.
  std::vector<WaiterPtr> Bar(const absl::Status& status);
  // What those whose deadline passes are told besides; empty when all is well.
  void Explain(std::string why);

  // Newcomers are refused from now on; those who wait are still served.
  void Close();
  bool closed() const;
  size_t length() const;
  observe::LineState state() const;
  // Held calls that have a connection now.
  size_t held_in_service() const;

 private:
  // Of one caller.
  struct Queue {
    std::array<std::list<WaiterPtr>, kPriorities> waiters;
    size_t bytes = 0;

    size_t length() const;
    // Of one that is not empty.
    const WaiterPtr& first() const;
  };
  // Of one lane, by caller; none is empty. `turn` is the caller whose turn comes next.
  struct Track {
    std::map<std::string, Queue> queues;
    std::string turn;
    size_t length = 0;
  };
  struct Place {
    std::list<WaiterPtr>::iterator in_queue;
    absl::Time joined_at;
  };
  // By deadline, all that wait.
  using Deadlines = std::set<std::pair<absl::Time, const Waiter*>>;

  bool MayWait(const Waiter& waiter) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status WhyFull(const Waiter& waiter) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  const Waiter* LastBehind(const Waiter& waiter) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Track& TrackOf(const Waiter& waiter) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  size_t held_max() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of those that wait, how many could be served if there were connections.
  size_t ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Who has something to do now.
  struct Wakes {
    bool taker = false, opener = false, overdue = false;
  };

  Wakes Insert(WaiterPtr waiter, bool at_head) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Wake(const Wakes& wakes);
  // Who should be woken since more can be served than before.
  Wakes WakesForMore() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  WaiterPtr TakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TakeCompanyOf(absl::Duration work_max, std::vector<WaiterPtr>* taken) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  WaiterPtr Extract(const Waiter* waiter) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<WaiterPtr> TakeAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RefuseOverdue();

  mutable Mutex mu_;
  Options options_ ABSL_GUARDED_BY(mu_);
  CondVar arrival_;   // for Next
  CondVar demand_;    // for AwaitDemand
  CondVar closing_;   // for AwaitClose
  CondVar deadline_;  // for the overdue thread
  Track short_ ABSL_GUARDED_BY(mu_);
  Track held_ ABSL_GUARDED_BY(mu_);
  bool held_is_next_ ABSL_GUARDED_BY(mu_) = false;
  // Besides Options::held_max.
  size_t held_limit_ ABSL_GUARDED_BY(mu_) = std::numeric_limits<size_t>::max();
  // Held calls that have a connection now.
  size_t held_in_service_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<const Waiter*, Place> places_ ABSL_GUARDED_BY(mu_);
  Deadlines deadlines_ ABSL_GUARDED_BY(mu_);
  // The thread that looks after deadlines need not be woken for later ones.
  absl::Time overdue_sleeps_until_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::string trouble_ ABSL_GUARDED_BY(mu_);
  absl::Status bar_ ABSL_GUARDED_BY(mu_);
  // Threads that wait in Next, and whether one of them has been woken and is not there yet.
  size_t takers_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t wakes_of_takers_ ABSL_GUARDED_BY(mu_) = 0;
  bool taker_is_coming_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  std::thread overdue_;
};

}  // namespace sluice::admission

#endif  // SLUICE_SERVER_ADMISSION_LINE_H_
