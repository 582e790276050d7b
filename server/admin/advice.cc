#include "server/admin/advice.h"

#include <utility>

#include "absl/strings/match.h"

namespace sluice::admin {
namespace {

// The first whose text is in the message.
constexpr std::pair<absl::string_view, absl::string_view> kLogin[] = {
    {"password authentication failed", "check user and password; percent-encode @ : / % in the URL"},
    {"no password supplied", "the server wants a password: postgresql://user:password@host/..."},
    {"Tenant or user not found", "the user name needs .<project ref>, and the host must be of the right region"},
    {"(ENOTFOUND)", "the user name needs .<project ref>, and the host must be of the right region"},
    {"no more connections allowed", "the pooler is full: fewer clients, or one Sluice gateway for all of them"},
    {"(EMAXCONNSESSION)", "use the transaction pooler's port (6543)"},
    {"MaxClientsInSessionMode", "use the transaction pooler's port (6543)"},
    {"(EMAXCONN)", "the pooler is full: fewer clients, or one Sluice gateway for all of them"},
    {"too many clients", "PostgreSQL is full: connect through a pooler"},
    {"PQexec disallowed", "this PgBouncer has disable_pqexec = 1, which forbids the simple protocol: switch it off"},
    {"root certificate", "sslmode=verify-ca and verify-full need sslrootcert=<file with the CA of the server>"},
    {"does not match host name", "connect by the name that is in the server's certificate"},
    {"certificate", "sslrootcert must hold the CA of the server's certificate"},
    {"server does not support SSL", "the server has TLS off: switch it on there, or sslmode=prefer on a safe network"},
    {"no pg_hba.conf entry", "the server takes no such connection: another user, database, address, or with TLS"},
    {"does not exist", "check the database name and the user"},
    {"timed out", "it takes connections and does not answer: paused, overloaded, or not PostgreSQL"}};

constexpr std::pair<absl::string_view, absl::string_view> kUnreachable[] = {
    {"Connection refused",
     "nothing listens there: check host and port (5432 is PostgreSQL itself, 6543 Supabase's transaction pooler)"},
    {"timed out", "a firewall or an allow-list is in the way, or the database is paused"},
    {"unreachable", "there is no way to this network: IPv6 only, a VPN that is down?"},
    {"No such file", "no server has this socket: is it running, and on this port?"},
    {"Permission denied", "this user may not use the socket"}};

template <size_t n>
absl::string_view Find(const std::pair<absl::string_view, absl::string_view> (&table)[n], absl::string_view message) {
  for (const auto& [text, advice] : table) {
    if (absl::StrContains(message, text)) return advice;
  }
  return "";
}

}  // namespace

absl::string_view AdviceFor(const postgres::Connection::OpenFailure& failure) {
  const absl::string_view known = Find(kLogin, failure.error.message);
  if (!known.empty()) return known;
  return failure.fate == postgres::Fate::kNotRun ? "it may pass: try again in a while" : "see the server's log";
}

absl::string_view AdviceForUnreachable(absl::string_view why) {
  const absl::string_view known = Find(kUnreachable, why);
  return known.empty() ? "check host, port and network" : known;
}

}  // namespace sluice::admin
