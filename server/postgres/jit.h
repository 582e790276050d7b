#ifndef SLUICE_SERVER_POSTGRES_JIT_H_
#define SLUICE_SERVER_POSTGRES_JIT_H_

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sluice::postgres {

// How JIT is kept off. It costs a short query more than it can save (20 ms against 0.2),
// and no pooler carries it reliably: PgBouncer refuses the startup option, Supavisor,
// PgCat and Odyssey drop it without a word, PgDog refuses SET beside a statement.
enum class JitStrategy {
  kAuto,     // kRole where that can be relied on, else kPrefix, and kStartup where SET is refused
  kPrefix,   // SET LOCAL jit = off in front of every flight
  kStartup,  // options=-c jit=off, verified at every connect
  kRole,     // ALTER ROLE ... SET jit = off, verified at every connect
  kNone      // leave it as it is
};

// "auto", "prefix", "startup", "role", "none"
absl::string_view JitStrategyName(JitStrategy strategy);

// What a new session said about its JIT.
struct JitFinding {
  std::string setting;  // "on", "off"; empty before PostgreSQL 11, which has none
  std::string source;   // of pg_settings: "default", "user", "database", "session", ...
  bool behind_pooler = false;
  // Off by a setting of the server, the database or the role, so in every session; not by
  // a SET that somebody left in this one.
  bool off_for_good() const;
  // ... and nobody else can change it in this session. A pooler's other clients can: their
  // SET jit = on stays on a backend, which is ours in a later flight.
  bool stays_off() const { return off_for_good() && (setting.empty() || !behind_pooler); }
};

// The strategy in force for one server, which may change while it is learned what the
// server takes. Thread-safe.
class JitPolicy {
 public:
  explicit JitPolicy(JitStrategy configured) : configured_(configured) {}

  bool wants_startup_option() const;
  bool wants_prefix(const JitFinding& finding) const;
  // False behind a pooler that refuses SET beside a statement: then no prelude at all.
  bool may_set_beside_statements() const { return !set_refused_; }

  void OnSetRefused() { set_refused_ = true; }
  // The other side takes no startup option either: back to the prefix.
  void OnStartupOptionRefused() { set_refused_ = false; }

  // Whether a session with this finding has JIT off, or will have with its prefix. The
  // error says what to do.
  absl::Status Verify(const JitFinding& finding) const;

  // For people: the strategy that a session with this finding uses.
  absl::string_view Effective(const JitFinding& finding) const;

 private:
  const JitStrategy configured_;
  std::atomic<bool> set_refused_{false};
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_JIT_H_
