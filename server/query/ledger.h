#ifndef SLUICE_SERVER_QUERY_LEDGER_H_
#define SLUICE_SERVER_QUERY_LEDGER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/admission/line.h"
#include "server/postgres/flight.h"
#include "server/query/request_id.h"
#include "server/query/turn.h"

namespace sluice::query {

// The table sluice.requests of the user's database, which has an entry for each call with a request_id that was
// committed: what was asked, and what was answered. It is written in the transaction of the call's own work, so it has
// the one exactly when the other was done. `sluice setup` makes it.
//
// Here are the statements about it, and who takes old entries out: now and then a call that has added one
// leaves that to the next connection that comes free. Thread-safe.
class Ledger {
 public:
  // Answers of more bytes are not kept.
  static constexpr size_t kAnswerBytesMax = 64 << 10;

  // An entry is kept for so long at least.
  explicit Ledger(absl::Duration retention) : retention_(retention) {}

  // Takes the id: one row with the place of its entry. 23505 if it is taken already; while another transaction has it
  // and has not ended, it waits for that.
  static std::string Claim(const RequestId& id);
  // Puts an answer into the id's entry, which is at `place`. Of one that is too large only its size. Fails (22012) if
  // the entry is not there.
  static std::string Keep(const RequestId& id, absl::string_view place, absl::string_view answer);
  // Reads the id's entry: no row or one. Takes it out if it is too old.
  std::string Find(const RequestId& id) const;
  std::string Forget(const RequestId& id) const;

  struct Entry {
    bool is_old = false;
    // Of the same request.
    bool is_same = false;
    bool has_answer = false;
    std::string answer;
    int64_t answer_bytes = 0;
  };
  // The one row that Find gave.
  static Entry Read(const postgres::Result& found);

  // Whether the table is one that `sluice setup` has made, and not somebody else's trap: whatever is written into it
  // runs with the rights of who writes. One row: empty if it is, "none" if there is no table, else what is wrong.
  static std::string Examination();
  // Whether this login has all the rights that it needs, where the table is there. One row: "t" or "f".
  static std::string MayBeUsed();
  // The same, asked once, and once more after it was no good: LEDGER_UNAVAILABLE.
  absl::Status Examine(Turn* turn);
  // It is gone: whatever comes in its place is to be looked at.
  void Doubt() { is_sound_.store(false, std::memory_order_relaxed); }

  // What `sluice setup` runs: a statement each, which do nothing where all is there already. With the name of a role,
  // also what that role needs.
  static std::vector<std::string> Definition(absl::string_view role);

  // An entry was added. `line` must outlive all connections.
  void OnAdded(admission::Line* line);

 private:
  const absl::Duration retention_;
  // In nanoseconds since 1970.
  std::atomic<int64_t> sweep_at_{0};
  std::atomic<bool> is_sound_{false};
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_LEDGER_H_
