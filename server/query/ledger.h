#ifndef SLUICE_SERVER_QUERY_LEDGER_H_
#define SLUICE_SERVER_QUERY_LEDGER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/admission/line.h"
#include "server/postgres/flight.h"
#include "server/query/request_id.h"

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
  // Puts an answer into the entry at `place`. Of one that is too large only its size.
  static std::string Keep(absl::string_view place, absl::string_view answer);
  // Takes the id's entry out if it is too old; and reads it. To be flown together.
  std::string Forget(const RequestId& id) const;
  static std::string Find(const RequestId& id);

  struct Entry {
    // Of the same request.
    bool is_same = false;
    bool has_answer = false;
    std::string answer;
    int64_t answer_bytes = 0;
  };
  // The one row that Find gave.
  static Entry Read(const postgres::Result& found);

  // What `sluice setup` runs: a statement each, which do nothing where all is there already. With the name of a role,
  // also what that role needs.
  static std::vector<std::string> Definition(absl::string_view role);

  // An entry was added. `line` must outlive all connections.
  void OnAdded(admission::Line* line);

 private:
  const absl::Duration retention_;
  // In nanoseconds since 1970.
  std::atomic<int64_t> sweep_at_{0};
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_LEDGER_H_
