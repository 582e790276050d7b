#include "server/postgres/fate.h"

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace sluice::postgres {
namespace {

constexpr Speaker kPg = Speaker::kPostgres, kBouncer = Speaker::kPgBouncer, kSupa = Speaker::kSupavisor,
                  kCat = Speaker::kPgCat, kDog = Speaker::kPgDog, kOdyssey = Speaker::kOdyssey;
constexpr Fate kNotRun = Fate::kNotRun, kUnknown = Fate::kUnknown, kMisconfigured = Fate::kMisconfigured,
               kBadCredentials = Fate::kBadCredentials;

// clang-format off
constexpr KnownError kKnownErrors[] = {
    // PgBouncer. "query_timeout" waits in its queue, "query timeout" was running.
    {kBouncer, "08P01", "no more connections allowed", kNotRun},
    {kBouncer, "08P01", "client connections exceeded", kNotRun},
    {kBouncer, "08P01", "query_wait_timeout", kNotRun},
    {kBouncer, "08P01", "query_timeout", kNotRun},
    {kBouncer, "08P01", "query timeout", kUnknown},
    {kBouncer, "08P01", "transaction timeout", kUnknown},
    {kBouncer, "08P01", "idle transaction timeout", kUnknown},
    {kBouncer, "08P01", "server login has been failing, cached error: ...password", kBadCredentials},
    {kBouncer, "08P01", "server login has been failing", kNotRun},
    {kBouncer, "08P01", "client_login_timeout", kNotRun},
    {kBouncer, "08P01", "server shutting down", kNotRun},
    {kBouncer, "08P01", "pooler is shutting down", kNotRun},
    {kBouncer, "08P01", "database \"...\" is disabled", kNotRun},
    {kBouncer, "08P01", "pause failed", kNotRun},
    {kBouncer, "08P01", "server conn crashed?", kUnknown},
    {kBouncer, "08P01", "unexpected eof", kUnknown},
    {kBouncer, "08P01", "client disconnected with queries in progress", kUnknown},
    {kBouncer, "08P01", "server lifetime over", kUnknown},
    {kBouncer, "08P01", "idle server got dirty", kUnknown},
    {kBouncer, "08P01", "obsolete connection", kUnknown},
    {kBouncer, "08P01", "server idle timeout", kUnknown},
    {kBouncer, "08P01", "database removed", kUnknown},
    {kBouncer, "08P01", "database configuration changed", kUnknown},
    {kBouncer, "08P01", "admin forced disconnect", kUnknown},
    {kBouncer, "08P01", "pause mode", kUnknown},
    {kBouncer, "08P01", "unsupported startup parameter", kMisconfigured},
    {kBouncer, "08P01", "PQexec disallowed", kMisconfigured},
    {kBouncer, "08P01", "transaction blocks not allowed in statement pooling mode", kMisconfigured},
    {kBouncer, "08P01", "no such database: ", kMisconfigured},
    {kBouncer, "08P01", "no such user", kBadCredentials},
    {kBouncer, "08P01", "SSL required", kMisconfigured},
    {kBouncer, "08P01", "bouncer config error", kMisconfigured},
    {kBouncer, "08P01", "not allowed", kMisconfigured},
    {kBouncer, "08P01", "bad packet header", kMisconfigured},
    {kBouncer, "08P01", "invalid server parameter", kMisconfigured},
    {kBouncer, "08P01", "password authentication failed", kBadCredentials},
    {kBouncer, "08P01", "SASL authentication failed", kBadCredentials},
    {kBouncer, "08P01", "certificate authentication failed", kBadCredentials},

    // Supavisor: codes in brackets since 2026-03, the bare texts before.
    {kSupa, "XX000", "(EMAXCONN)", kNotRun},
    {kSupa, "XX000", "Max client connections reached", kNotRun},
    {kSupa, "XX000", "(EMAXCONNSESSION)", kNotRun},
    {kSupa, "XX000", "MaxClientsInSessionMode", kNotRun},
    {kSupa, "XX000", "(ECHECKOUTTIMEOUT)", kNotRun},
    {kSupa, "XX000", "Unable to check out connection from the pool", kNotRun},
    {kSupa, "XX000", "(ECHECKOUTRETRIES)", kNotRun},
    {kSupa, "XX000", "(EPOOLCHECKOUT)", kNotRun},
    {kSupa, "XX000", "(EWORKERNOTFOUND)", kNotRun},
    {kSupa, "XX000", "(EPOOLCONFIGNOTFOUND)", kNotRun},
    {kSupa, "XX000", "(ESUBSCRIBERETRIES)", kNotRun},
    {kSupa, "XX000", "(EPROXYSTARTFAILED)", kNotRun},
    {kSupa, "XX000", "(EPROXYSUPERVISORUNAVAILABLE)", kNotRun},
    {kSupa, "XX000", "(EPOOLRANCHNOTFOUND)", kNotRun},
    {kSupa, "XX000", "(EMAXPOOLSREACHED)", kNotRun},
    {kSupa, "XX000", "Max pools count reached", kNotRun},
    {kSupa, "XX000", "(EDBHANDLEREXITED)", kUnknown},
    {kSupa, "XX000", "DbHandler exited", kUnknown},
    {kSupa, "XX000", "Connection to database closed", kUnknown},
    {kSupa, "XX000", "Internal error (authenticated)", kUnknown},
    {kSupa, "08006", "Failed to connect to database", kNotRun},
    {kSupa, "08006", "authentication did not complete within", kNotRun},
    {kSupa, "08006", "(EAUTHTIMEOUT)", kNotRun},
    {kSupa, "08006", "(ESSLHANDSHAKE)", kNotRun},
    {kSupa, "XX000", "(ENOTFOUND)", kBadCredentials},
    {kSupa, "XX000", "Tenant or user not found", kBadCredentials},
    {kSupa, "XX000", "(ECIRCUITBREAKER) too many authentication failures", kBadCredentials},
    {kSupa, "XX000", "(ECIRCUITBREAKER)", kNotRun},
    {kSupa, "XX000", "(EAUTHQUERY)", kNotRun},
    {kSupa, "XX000", "(EAUTHSECRETS)", kNotRun},
    {kSupa, "XX000", "(EBANNED)", kMisconfigured},
    {kSupa, "XX000", "(EADDRNOTALLOWED)", kMisconfigured},
    {kSupa, "XX000", "(ESSLREQUIRED)", kMisconfigured},
    {kSupa, "XX000", "(EINVALIDUSERINFO)", kMisconfigured},
    {kSupa, "XX000", "(ENOIDENTIFIER)", kMisconfigured},
    {kSupa, "08P01", "(ESTARTUPMESSAGE)", kMisconfigured},
    {kSupa, "XX000", "(EPSSIMPLEQUERY)", kMisconfigured},

    // PgCat: FATAL 58000, and then the session goes on.
    {kCat, "58000", "could not get connection from the pool", kNotRun},
    {kCat, "58000", "Pool down for database", kNotRun},
    {kCat, "58000", "checkout failure limit reached", kNotRun},
    {kCat, "58000", "terminating connection due to administrator command", kNotRun},
    {kCat, "58000", "No pool configured for database", kMisconfigured},
    {kCat, "58000", "error receiving data from server", kUnknown},
    {kCat, "58000", "pool statement timeout", kUnknown},

    // PgDog.
    {kDog, "58000", "checkout timeout", kNotRun},
    {kDog, "58000", "replica checkout timeout", kNotRun},
    {kDog, "58000", "pool is banned", kNotRun},
    {kDog, "58000", "no primary", kNotRun},
    {kDog, "58000", "all replicas down", kNotRun},
    {kDog, "58000", "no replicas", kNotRun},
    {kDog, "58000", "pool is shut down", kNotRun},
    {kDog, "58000", "connection pool for user", kNotRun},
    {kDog, "58000", "cluster start timeout", kNotRun},
    {kDog, "58000", "server closed", kUnknown},
    {kDog, "58000", "read timeout", kUnknown},
    {kDog, "58000", "query timeout", kUnknown},
    {kDog, "58000", "server error", kUnknown},
    {kDog, "58000", "net: ", kUnknown},
    {kDog, "57P01", "PgDog is shutting down", kNotRun},
    {kDog, "57P05", "disconnecting idle client", kNotRun},
    {kDog, "28000", "password for user", kBadCredentials},
    {kDog, "08004", "only TLS connections are allowed", kMisconfigured},
    {kDog, "54000", "query size exceeds query_size_limit", kMisconfigured},
    {kDog, "42601", "multi-statement queries cannot mix SET with other commands", kNotRun},

    // Odyssey: each text has the prefix "odyssey: c<id>: ".
    {kOdyssey, "53300", "odyssey: ...too many active clients", kNotRun},
    {kOdyssey, "53300", "odyssey: ...too many tcp connections", kNotRun},
    {kOdyssey, "53300", "odyssey: ...too many client tcp connections", kNotRun},
    {kOdyssey, "08006", "odyssey: ...failed to connect to remote server", kNotRun},
    {kOdyssey, "08006", "odyssey: ...failed to get remote server connection", kNotRun},
    {kOdyssey, "08006", "odyssey: ...remote server read/write error", kUnknown},
    {kOdyssey, "08006", "odyssey: ...readahead buffer full", kUnknown},
    {kOdyssey, "08006", "odyssey: ...Odyssey has dropped the connection", kUnknown},
    {kOdyssey, "08006", "odyssey: ...Odyssey is gracefully shutting down", kNotRun},
    {kOdyssey, "53200", "odyssey: ...soft out of memory", kNotRun},
    {kOdyssey, "3D000", "odyssey: ...route for", kMisconfigured},
    {kOdyssey, "58000", "odyssey: ...client routing failed", kNotRun},

    // PostgreSQL itself. A shutdown as the first answer to a message that was sent tells
    // nothing: the commit may be durable already.
    {kPg, "53300", "", kNotRun},
    {kPg, "57P03", "", kNotRun},
    {kPg, "57P01", "", kUnknown},
    {kPg, "57P02", "", kUnknown},
    {kPg, "57P05", "", kUnknown},
    {kPg, "25P03", "", kUnknown},
    {kPg, "25P04", "", kUnknown},
    {kPg, "28P01", "", kBadCredentials},
    {kPg, "28000", "", kBadCredentials},
};
// clang-format on

// "a...b" matches texts that begin with a and contain b later.
bool Matches(absl::string_view pattern, absl::string_view message) {
  const size_t gap = pattern.find("...");
  if (!absl::ConsumePrefix(&message, pattern.substr(0, gap))) return false;
  return gap == absl::string_view::npos || absl::StrContains(message, pattern.substr(gap + 3));
}

const KnownError* Find(const ServerError& error) {
  for (const KnownError& row : kKnownErrors) {
    if (row.sqlstate == error.sqlstate && Matches(row.text, error.message)) return &row;
  }
  return nullptr;
}

// What no row knows, and PostgreSQL hardly ever says.
bool MayBeOfThePooler(const ServerError& error) {
  return error.sqlstate == "58000" || absl::StartsWith(error.message, "odyssey: ");
}

}  // namespace

absl::Span<const KnownError> KnownErrors() { return kKnownErrors; }

Fate FateOfSent(const ServerError& error, const SentMessage& sent) {
  const KnownError* row = Find(error);
  const bool of_pooler = row != nullptr && row->speaker != Speaker::kPostgres;
  // A statement may raise the same; believing it costs no more than certainty.
  if (sent.behind_pooler && (of_pooler ? row->fate == Fate::kUnknown : row == nullptr && MayBeOfThePooler(error))) {
    return Fate::kUnknown;
  }
  // That nothing ran is believed only of whom no statement can have put the words into the mouth.
  const bool before_statements = sent.has_prelude && !sent.results_came;
  if (of_pooler && sent.behind_pooler && (error.severity == "FATAL" || before_statements)) {
    return sent.results_came ? Fate::kUnknown : row->fate;
  }
  // A running statement may raise any of PostgreSQL's codes by itself (RAISE ... USING
  // ERRCODE) and live on: only a session that broke was cut off.
  if (!sent.connection_lost) return Fate::kFailed;
  // An ERROR is final: the whole message is one transaction, and it did not commit.
  if (!error.sqlstate.empty() && error.severity == "ERROR") return Fate::kFailed;
  return row == nullptr || of_pooler || sent.results_came ? Fate::kUnknown : row->fate;
}

Fate FateOfConnect(const ServerError& error) {
  const KnownError* row = Find(error);
  if (row != nullptr && (row->fate == Fate::kMisconfigured || row->fate == Fate::kBadCredentials)) return row->fate;
  // No such database, no such role setting, no right to connect.
  for (const char* sqlstate : {"3D000", "42501", "42704"}) {
    if (error.sqlstate == sqlstate) return Fate::kMisconfigured;
  }
  // libpq's own words, without a SQLSTATE: a login, or TLS, that will not come about by waiting.
  for (const char* text : {"no password supplied", "authentication method", "SCRAM", "could not read certificate"}) {
    if (error.sqlstate.empty() && absl::StrContains(error.message, text)) return Fate::kBadCredentials;
  }
  for (const char* text : {"certificate", "does not match host name", "server does not support SSL"}) {
    if (error.sqlstate.empty() && absl::StrContains(error.message, text)) return Fate::kMisconfigured;
  }
  return Fate::kNotRun;
}

bool RefusesSetBesideStatements(const ServerError& error) {
  return error.sqlstate == "42601" &&
         absl::StartsWith(error.message, "multi-statement queries cannot mix SET with other commands");
}

}  // namespace sluice::postgres
