#ifndef SLUICE_SERVER_POSTGRES_FATE_H_
#define SLUICE_SERVER_POSTGRES_FATE_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/postgres/server_error.h"

namespace sluice::postgres {

// What an error text says about the work that was asked for.
enum class Fate {
  kNotRun,         // never reached a backend: safe to send again, on a new connection
  kFailed,         // PostgreSQL's own verdict: it failed and was rolled back
  kUnknown,        // it may have run to its end
  kMisconfigured,  // never ran, and will not until somebody changes a setting
  kBadCredentials  // never ran; trying again soon makes it worse (lock-outs)
};

// Who is known to say a text.
enum class Speaker { kPostgres, kPgBouncer, kSupavisor, kPgCat, kPgDog, kOdyssey };

// One row of the catalogue: an error that begins with `text` (or contains it, when it
// begins with "...") under this SQLSTATE ("" for any) means `fate` for a message that was
// sent. Sources: the poolers' own source code, and measurements where it could be run.
struct KnownError {
  Speaker speaker;
  absl::string_view sqlstate;
  absl::string_view text;
  Fate fate;
};

// All rows, in the order in which they are tried.
absl::Span<const KnownError> KnownErrors();

// What is known of a message that was sent.
struct SentMessage {
  // The session did not come back to idle afterwards.
  bool connection_lost = false;
  bool behind_pooler = false;
  // It began with SETs, which give a result each before a statement can say anything.
  bool has_prelude = false;
  // At least one result came before the error: it runs, or ran.
  bool results_came = false;
};

// What became of a message that was sent and whose *first* error was this one. A pooler's
// text counts only if there is a pooler; and one that says that nothing ran, only if no statement
// can have raised it: a FATAL, or an error before the prelude's results. A message that gave a
// result was run, whatever is said afterwards.
//
// SQLSTATE alone does not tell: PgBouncer says 08P01 for everything, Supavisor XX000,
// PgCat and PgDog 58000. What no row knows is kUnknown if the session broke, or if it looks like a
// pooler's of tomorrow; else kFailed.
Fate FateOfSent(const ServerError& error, const SentMessage& sent);

// What a failed connect means; nothing has run in any case, so never kUnknown or kFailed.
Fate FateOfConnect(const ServerError& error);

// PgDog's refusal of SET beside other statements: nothing ran, and the JIT setting must
// travel as a startup option instead.
bool RefusesSetBesideStatements(const ServerError& error);

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_FATE_H_
