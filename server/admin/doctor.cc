#include "server/admin/doctor.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/postgres/connection.h"
#include "server/postgres/statement_probe.h"

namespace sluice::admin {
namespace {

using postgres::Connection;
using postgres::FlightReport;

std::string InMilliseconds(absl::Duration duration) {
  return absl::StrFormat("%.1f ms", absl::ToDoubleMilliseconds(duration));
}

// One examination: a list of questions, each of which may end it.
class Examination {
 public:
  Examination(const config::DatabaseUrl& url, const std::function<void(const Finding&)>& report)
      : url_(url), report_(report) {
    options_.parameters = postgres::PoolerSafeParameters(url.parameters, "sluice-doctor");
    options_.connect_timeout = absl::Seconds(10);
  }

  bool Run() {
    ReadUrl();
    if (!Resolve() || !LogIn()) return false;
    LookForPooler();
    ReadVersion();
    CheckJit();
    ProbePreparedStatements();
    CountConnections();
    MeasureRoundTrip();
    return true;
  }

 private:
  void Good(std::string tried, std::string seen, std::string advice = "") {
    report_({Verdict::kGood, std::move(tried), std::move(seen), std::move(advice)});
  }
  void Note(std::string tried, std::string seen, std::string advice) {
    report_({Verdict::kNote, std::move(tried), std::move(seen), std::move(advice)});
  }
  bool Bad(std::string tried, std::string seen, std::string advice) {
    report_({Verdict::kBad, std::move(tried), std::move(seen), std::move(advice)});
    return false;
  }

  std::string Parameter(const char* name, absl::string_view fallback) const {
    auto found = url_.parameters.find(name);
    return found == url_.parameters.end() ? std::string(fallback) : found->second;
  }

  void ReadUrl() {
    Good("read the URL", url_.Display());
    for (const auto& ignored : url_.ignored) Note("option " + ignored.option, "means nothing here", ignored.why);
  }

  bool Resolve() {
    const std::string hosts = Parameter("host", "localhost");
    const std::string port = Parameter("port", "5432");
    for (absl::string_view host : absl::StrSplit(hosts, ',')) {
      if (absl::StartsWith(host, "/") ? FindSocket(std::string(host), port) : ResolveName(std::string(host))) continue;
      return false;
    }
    return true;
  }

  bool FindSocket(const std::string& directory, const std::string& port) {
    const std::string path = absl::StrCat(directory, "/.s.PGSQL.", port);
    struct stat facts;
    if (stat(path.c_str(), &facts) == 0) {
      Good("find the socket", path);
      return true;
    }
    return Bad("find the socket", "there is no " + path, "is the server running, and on this port?");
  }

  bool ResolveName(const std::string& host) {
    addrinfo hints = {};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* addresses = nullptr;
    const absl::Time begin = absl::Now();
    const int error = getaddrinfo(host.c_str(), nullptr, &hints, &addresses);
    if (error != 0) {
      return Bad("resolve " + host, gai_strerror(error),
                 "check the host name; for Supabase copy it from Project Settings > Database");
    }
    std::string text;
    bool ipv4 = false;
    for (addrinfo* address = addresses; address != nullptr; address = address->ai_next) {
      char name[128];
      getnameinfo(address->ai_addr, address->ai_addrlen, name, sizeof(name), nullptr, 0, NI_NUMERICHOST);
      absl::StrAppend(&text, text.empty() ? "" : ", ", name);
      ipv4 |= address->ai_family == AF_INET;
    }
    freeaddrinfo(addresses);
    const std::string seen = absl::StrCat(text, " in ", InMilliseconds(absl::Now() - begin));
    if (ipv4) {
      Good("resolve " + host, seen);
    } else {
      Note("resolve " + host, seen, "IPv6 only: from a network without it use the pooler's host name");
    }
    return true;
  }

  std::unique_ptr<Connection> Open(Connection::OpenFailure* failure) {
    return Connection::Open(options_, &jit_, &canceller_, failure);
  }

  bool LogIn() {
    const std::string tried = absl::StrCat("log in as ", Parameter("user", "?"));
    const absl::Time begin = absl::Now();
    Connection::OpenFailure failure;
    connection_ = Open(&failure);
    if (connection_ == nullptr) {
      const std::string code = failure.error.sqlstate.empty() ? "" : absl::StrCat(failure.error.sqlstate, " ");
      return Bad(tried, code + failure.error.message, AdviceFor(failure));
    }
    Good(tried, absl::StrCat("in ", InMilliseconds(absl::Now() - begin), ", TCP, TLS and authentication together"));
    const std::string sslmode = Parameter("sslmode", "prefer");
    if (absl::StartsWith(Parameter("host", "localhost"), "/")) return true;
    if (!connection_->facts().tls) {
      Note("TLS", "none (sslmode=" + sslmode + ")",
           "everything can be read on the way: sslmode=verify-full with sslrootcert");
    } else if (sslmode != "verify-full") {
      Note("TLS", "encrypted, but sslmode=" + sslmode + " does not prove whom you talk to",
           "sslmode=verify-full with sslrootcert");
    } else {
      Good("TLS", "encrypted, and the server is who it says");
    }
    return true;
  }

  static std::string AdviceFor(const Connection::OpenFailure& failure) {
    const std::string& message = failure.error.message;
    const std::pair<const char*, const char*> known[] = {
        {"Connection refused",
         "nothing listens there: check host and port (5432 is PostgreSQL itself, 6543 Supabase's "
         "transaction pooler)"},
        {"timed out", "a firewall or an allow-list is in the way, or the database is paused"},
        {"password authentication failed", "check user and password; percent-encode @ : / % in the URL"},
        {"Tenant or user not found", "the user name needs .<project ref>, and the host must be of the right region"},
        {"(ENOTFOUND)", "the user name needs .<project ref>, and the host must be of the right region"},
        {"no more connections allowed", "the pooler is full: fewer clients, or one Sluice gateway for all of them"},
        {"max clients reached in session mode", "use the transaction pooler's port (6543)"},
        {"too many clients", "PostgreSQL is full: connect through a pooler"},
        {"PQexec disallowed",
         "this PgBouncer has disable_pqexec = 1, which forbids the simple protocol: switch it off"},
        {"certificate", "sslrootcert must hold the CA of the server's certificate, and the host name must be its own"},
        {"does not exist", "check the database name"},
        {"no pg_hba.conf entry", "the server takes no such connection: another user, database, address, or with TLS"}};
    for (const auto& [text, advice] : known) {
      if (absl::StrContains(message, text)) return advice;
    }
    return failure.fate == postgres::Fate::kNotRun ? "it may pass: try again in a while" : "see the server's log";
  }

  // The one value of a one-row answer; nullopt on failure.
  static std::optional<std::string> Ask(Connection* connection, absl::string_view sql, bool alone = true) {
    postgres::Flight flight;
    flight.statements = {sql};
    flight.alone = alone;
    flight.deadline = absl::Now() + absl::Seconds(10);
    const FlightReport report = connection->Fly(flight);
    if (report.failure.has_value() || report.results.empty() || report.results[0].row_count() != 1) return std::nullopt;
    return std::string(report.results[0].Text(0, 0));
  }

  void LookForPooler() {
    const postgres::ServerFacts& facts = connection_->facts();
    if (!facts.behind_pooler) {
      Good("look for a pooler", "none: this is PostgreSQL itself",
           "fine; with many clients put one gateway in front, not a pooler for each");
      return;
    }
    pooler_ = NameOfPooler();
    mode_ = PoolingMode();
    Good("look for a pooler", absl::StrCat(pooler_, " in ", mode_, " mode"),
         mode_ == "session" ? "each connection takes a backend for itself: keep pool_size small" : "");
    if (!facts.has_cancel_key) {
      Note("cancel key", "the pooler gives none", "a cancelled call runs until its statement_timeout");
    }
  }

  // Each pooler has its own way with a startup option.
  std::string NameOfPooler() {
    if (absl::StartsWith(Ask(connection_.get(), "SELECT current_setting('application_name')").value_or(""),
                         "Supavisor")) {
      return "Supavisor";
    }
    if (Ask(connection_.get(), "SHOW pgdog.shards").has_value()) return "PgDog";
    Connection::Options with_option = options_;
    with_option.parameters["options"] = "-c jit=off";
    Connection::OpenFailure failure;
    if (Connection::Open(with_option, &jit_, &canceller_, &failure) != nullptr) return "a pooler (not PgBouncer)";
    if (absl::StrContains(failure.error.message, "unsupported startup parameter")) return "PgBouncer";
    if (absl::StartsWith(failure.error.message, "odyssey:")) return "Odyssey";
    return "a pooler";
  }

  // Two sessions that are open at the same time and have the same backend share it.
  std::string PoolingMode() {
    Connection::OpenFailure failure;
    const std::unique_ptr<Connection> second = Open(&failure);
    if (second == nullptr) return "an unknown";
    const auto first_pid = Ask(connection_.get(), "SELECT pg_backend_pid()");
    const auto second_pid = Ask(second.get(), "SELECT pg_backend_pid()");
    if (!first_pid.has_value() || first_pid != second_pid) return "session";
    // Statement mode ends a session that is left in a transaction; in transaction mode it
    // ends with this function, and takes its backend along.
    postgres::Flight block;
    block.statements = {"BEGIN"};
    block.alone = true;
    block.deadline = absl::Now() + absl::Seconds(10);
    const FlightReport report = second->Fly(block);
    const bool refused =
        report.failure.has_value() && absl::StrContains(report.failure->error.message, "statement pooling");
    return refused ? "statement" : "transaction";
  }

  void ReadVersion() {
    const postgres::ServerFacts& facts = connection_->facts();
    const std::string tried = "ask the version";
    if (facts.in_recovery) {
      Note(tried, absl::StrCat("PostgreSQL ", facts.server_version, ", a standby"),
           "reads only: writes need the primary");
    } else if (facts.read_only) {
      Note(tried, absl::StrCat("PostgreSQL ", facts.server_version, ", transactions are read-only by default"),
           "somebody SET default_transaction_read_only, perhaps in a pooled session");
    } else {
      Good(tried, absl::StrCat("PostgreSQL ", facts.server_version));
    }
  }

  void CheckJit() {
    const postgres::JitFinding& jit = connection_->facts().jit;
    if (jit.setting.empty()) return Good("ask for JIT", "this version has none");
    const std::string seen = absl::StrCat(jit.setting, ", set by ", jit.source);
    if (jit.off_for_good()) return Good("ask for JIT", seen);
    Note("ask for JIT", seen,
         absl::StrCat("the gateway switches it off in every call; for other clients too: ALTER ROLE ",
                      Parameter("user", "..."), " SET jit = off"));
  }

  void ProbePreparedStatements() {
    const std::string tried = "prepare a statement in one session while another works";
    if (!connection_->facts().behind_pooler || mode_ == "session") {
      return Good("prepared statements", "safe: a session keeps its backend");
    }
    switch (postgres::ProbePreparedStatements(options_.parameters)) {
      case postgres::StatementProbe::kSafe: return Good(tried, "the pooler carries it along");
      case postgres::StatementProbe::kLost:
        return Note(
            tried, "\"prepared statement does not exist\": it stayed on another backend",
            "drivers need their statement caches off here (asyncpg statement_cache_size=0); the gateway uses none");
      case postgres::StatementProbe::kUnclear:
        return Note(tried, "could not be tried",
                    "in " + mode_ + " mode assume that drivers' prepared statements fail; the gateway uses none");
    }
  }

  void CountConnections() {
    const auto answer =
        Ask(connection_.get(),
            "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') || ' of ' || "
            "current_setting('max_connections') || ' in use; limit of this role: ' || "
            "(SELECT CASE rolconnlimit WHEN -1 THEN 'none' ELSE rolconnlimit::text END FROM pg_roles WHERE rolname = "
            "current_user)");
    Good("count connections", answer.value_or("not allowed to look"),
         connection_->facts().behind_pooler
             ? "the pooler has limits of its own (max_client_conn, default_pool_size): pool_size must fit them"
             : "");
  }

  void MeasureRoundTrip() {
    constexpr int kRounds = 21;
    std::vector<absl::Duration> times;
    for (int i = 0; i < kRounds; ++i) {
      const absl::Time begin = absl::Now();
      if (!Ask(connection_.get(), "SELECT 1").has_value()) break;
      times.push_back(absl::Now() - begin);
    }
    if (times.empty()) return Note("measure the round trip", "the connection was lost", "try again");
    std::sort(times.begin(), times.end());
    Good(absl::StrCat("measure the round trip, ", times.size(), " times"),
         absl::StrCat("median ", InMilliseconds(times[times.size() / 2]), ", worst ", InMilliseconds(times.back())));
  }

  const config::DatabaseUrl& url_;
  const std::function<void(const Finding&)>& report_;
  Connection::Options options_;
  postgres::JitPolicy jit_{postgres::JitStrategy::kNone};
  postgres::Canceller canceller_;
  std::unique_ptr<Connection> connection_;
  std::string pooler_;
  std::string mode_;
};

}  // namespace

bool Examine(const config::DatabaseUrl& url, const std::function<void(const Finding&)>& report) {
  return Examination(url, report).Run();
}

}  // namespace sluice::admin
