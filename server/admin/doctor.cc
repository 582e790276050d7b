#include "server/admin/doctor.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/admin/advice.h"
#include "server/admin/knock.h"
#include "server/admin/pooler.h"
#include "server/base/error.h"
#include "server/postgres/address.h"
#include "server/postgres/connection.h"
#include "server/postgres/endpoints.h"
#include "server/postgres/statement_probe.h"
#include "server/query/ledger.h"

namespace sluice::admin {
namespace {

using postgres::Address;
using postgres::Connection;
using postgres::Endpoint;

std::string Shown(absl::Duration duration) {
  if (duration >= absl::Seconds(1)) return absl::StrFormat("%.1f s", absl::ToDoubleSeconds(duration));
  const double milliseconds = absl::ToDoubleMilliseconds(duration);
  return milliseconds < 10 ? absl::StrFormat("%.2f ms", milliseconds) : absl::StrFormat("%.1f ms", milliseconds);
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
    if (!ReachSomeHost() || !LogIn()) return false;
    CheckTls();
    LookForPooler();
    ReadVersion();
    CheckJit();
    ProbePreparedStatements();
    CountConnections();
    LookForLedger();
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

  // libpq tries the hosts of a list one after the other: one that answers is enough.
  bool ReachSomeHost() {
    absl::StatusOr<std::vector<Endpoint>> endpoints = postgres::Endpoints(url_.parameters);
    if (!endpoints.ok()) {
      return Bad("read the hosts", std::string(endpoints.status().message()),
                 "give as many of each, or one port for all of them");
    }
    endpoints_ = *std::move(endpoints);
    bool reached = false;
    for (const Endpoint& endpoint : endpoints_) reached |= Reach(endpoint);
    return reached || Bad("reach the database", "nobody answers", "see the notes above");
  }

  bool Reach(const Endpoint& endpoint) {
    const std::string& where = endpoint.hostaddr.empty() ? endpoint.host : endpoint.hostaddr;
    const absl::Time begin = absl::Now();
    const absl::StatusOr<std::vector<Address>> addresses = postgres::Resolve(where, endpoint.port);
    if (!addresses.ok()) {
      Note("resolve " + where, std::string(addresses.status().message()),
           "check the host name; for Supabase copy it from Project Settings > Database");
      return false;
    }
    if (!endpoint.is_socket() && endpoint.hostaddr.empty()) {
      const std::string names =
          absl::StrJoin(*addresses, ", ", [](std::string* out, const Address& address) { *out += address.name; });
      Good("resolve " + where, absl::StrCat(names, " in ", Shown(absl::Now() - begin)));
    }
    bool reached = false;
    for (const Address& address : *addresses) reached |= ConnectTo(address, endpoint);
    return reached;
  }

  bool ConnectTo(const Address& address, const Endpoint& endpoint) {
    const std::string tried =
        absl::StrCat("connect to ", address.name, endpoint.is_socket() ? "" : " port " + endpoint.port);
    const absl::Time begin = absl::Now();
    const absl::StatusOr<Answer> answer = Knock(address, begin + options_.connect_timeout);
    if (!answer.ok()) {
      const std::string why(answer.status().message());
      Note(tried, why, std::string(AdviceForUnreachable(why)));
      return false;
    }
    if (*answer == Answer::kSilence) {
      Note(tried, absl::StrCat("takes the connection, and says nothing for ", Shown(options_.connect_timeout)),
           "the server hangs or is overloaded, or it is not PostgreSQL");
      return false;
    }
    if (*answer == Answer::kNothing) {
      Note(tried, "takes the connection, but does not speak PostgreSQL's protocol",
           "check the port: is it another service's, or a proxy's that wants TLS from the first byte?");
      return false;
    }
    const char* tls = *answer == Answer::kOffersTls ? ", offers TLS" : ", offers no TLS";
    Good(tried, absl::StrCat("answers in ", Shown(absl::Now() - begin), endpoint.is_socket() ? "" : tls));
    return true;
  }

  std::unique_ptr<Connection> Open(const Connection::Options& options, Connection::OpenFailure* failure) {
    return Connection::Open(options, &jit_, &canceller_, failure);
  }

  bool LogIn() {
    const std::string tried = absl::StrCat("log in as ", Parameter("user", "?"));
    const absl::Time begin = absl::Now();
    Connection::OpenFailure failure;
    connection_ = Open(options_, &failure);
    if (connection_ == nullptr) {
      const std::string code = failure.error.sqlstate.empty() ? "" : absl::StrCat(failure.error.sqlstate, " ");
      // libpq repeats itself for each address.
      return Bad(tried, Shortened(code + failure.error.message, 500), std::string(AdviceFor(failure)));
    }
    Good(tried, absl::StrCat("in ", Shown(absl::Now() - begin), ", TCP, TLS and authentication together"));
    return true;
  }

  void CheckTls() {
    const std::string sslmode = Parameter("sslmode", "prefer");
    const auto is_socket = [](const Endpoint& endpoint) { return endpoint.is_socket(); };
    if (std::all_of(endpoints_.begin(), endpoints_.end(), is_socket)) return;
    if (!connection_->facts().tls) {
      Note("TLS", "none (sslmode=" + sslmode + ")",
           "everything can be read on the way: sslmode=verify-full with sslrootcert");
    } else if (sslmode != "verify-full") {
      Note("TLS", "encrypted, but sslmode=" + sslmode + " does not prove whom you talk to",
           "sslmode=verify-full with sslrootcert");
    } else {
      Good("TLS", "encrypted, and the server is who it says");
    }
  }

  void LookForPooler() {
    const postgres::ServerFacts& facts = connection_->facts();
    if (!facts.behind_pooler) {
      Good("look for a pooler", "none: this is PostgreSQL itself",
           "fine; with many clients put one gateway in front, not a pooler for each");
      return;
    }
    const auto open = [this](Connection::OpenFailure* failure) { return Open(options_, failure); };
    const auto with_startup_option = [this](Connection::OpenFailure* failure) {
      Connection::Options options = options_;
      options.parameters["options"] = absl::StrCat("-c ", kProbeSetting, "=taken");
      return Open(options, failure);
    };
    const std::string pooler = NameOfPooler(connection_.get(), with_startup_option);
    mode_ = FindPoolingMode(connection_.get(), open);
    Good("look for a pooler", absl::StrCat(pooler, " in ", PoolingModeName(mode_), " mode"),
         mode_ == PoolingMode::kSession ? "each connection takes a backend for itself: keep pool_size small" : "");
    if (!facts.has_cancel_key) {
      Note("cancel key", "the pooler gives none", "a cancelled call runs until its statement_timeout");
    }
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
    if (!connection_->facts().behind_pooler || mode_ == PoolingMode::kSession) {
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
                    absl::StrCat("in ", PoolingModeName(mode_),
                                 " mode assume that drivers' prepared statements fail; the gateway uses none"));
    }
  }

  void CountConnections() {
    const std::string tried = "count connections";
    // Of all clients, of all that may be, and the limits of this role and this database.
    const std::optional<std::string> answer = AskOne(
        connection_.get(),
        // (pg_stat_activity does not tell an ordinary role which of the others are clients.)
        "SELECT pg_catalog.concat_ws(' ', (SELECT sum(numbackends) FROM pg_catalog.pg_stat_database), "
        "current_setting('max_connections')::int - "
        "current_setting('superuser_reserved_connections')::int, (SELECT rolconnlimit FROM pg_catalog.pg_roles WHERE "
        "rolname = current_user), (SELECT datconnlimit FROM pg_catalog.pg_database WHERE datname = "
        "current_database()))");
    int in_use = 0, most = 0, of_role = 0, of_database = 0;
    const std::vector<std::string> numbers = absl::StrSplit(answer.value_or(""), ' ');
    if (numbers.size() != 4 || !absl::SimpleAtoi(numbers[0], &in_use) || !absl::SimpleAtoi(numbers[1], &most) ||
        !absl::SimpleAtoi(numbers[2], &of_role) || !absl::SimpleAtoi(numbers[3], &of_database)) {
      return Note(tried, "not allowed to look", "ask who runs the database for max_connections");
    }
    const auto limit = [](int number) { return number < 0 ? std::string("no limit") : absl::StrCat(number); };
    const std::string seen = absl::StrCat(in_use, " of ", most, " in use; for this role ", limit(of_role),
                                          ", for this database ", limit(of_database));
    if (in_use * 10 >= most * 9) {
      return Note(tried, seen, "nearly full: fewer clients of their own, or a pooler, or a larger max_connections");
    }
    Good(tried, seen,
         connection_->facts().behind_pooler
             ? "the pooler has limits of its own (max_client_conn, default_pool_size): pool_size must fit them"
             : "pool_size must fit into what is free");
  }

  void LookForLedger() {
    const std::string tried = "look for sluice.requests";
    const std::string found = AskOne(connection_.get(), query::Ledger::Examination()).value_or("it can not be seen");
    if (found == "none") {
      return Good(tried, "none", "sluice setup makes it, for calls that want to be done once (request_id)");
    }
    if (!found.empty()) return Note(tried, found, "calls with a request_id are refused: look at who made it");
    if (AskOne(connection_.get(), query::Ledger::MayBeUsed()) == "t") {
      return Good(tried, "there: calls may have a request_id");
    }
    Note(tried, "this role may not use it", "sluice setup --role " + Parameter("user", "..."));
  }

  void MeasureRoundTrip() {
    constexpr int kRounds = 21;
    std::vector<absl::Duration> times;
    for (int i = 0; i < kRounds; ++i) {
      const absl::Time begin = absl::Now();
      if (!AskOne(connection_.get(), "SELECT 1").has_value()) break;
      times.push_back(absl::Now() - begin);
    }
    if (times.empty()) return Note("measure the round trip", "the connection was lost", "try again");
    std::sort(times.begin(), times.end());
    Good(absl::StrCat("measure the round trip, ", times.size(), " times"),
         absl::StrCat("median ", Shown(times[times.size() / 2]), ", worst ", Shown(times.back())));
  }

  const config::DatabaseUrl& url_;
  const std::function<void(const Finding&)>& report_;
  Connection::Options options_;
  postgres::JitPolicy jit_{postgres::JitStrategy::kNone};
  postgres::Canceller canceller_;
  std::unique_ptr<Connection> connection_;
  std::vector<Endpoint> endpoints_;
  PoolingMode mode_ = PoolingMode::kUnknown;
};

}  // namespace

bool Examine(const config::DatabaseUrl& url, const std::function<void(const Finding&)>& report) {
  postgres::ForgetLibpqVariables();
  return Examination(url, report).Run();
}

}  // namespace sluice::admin
