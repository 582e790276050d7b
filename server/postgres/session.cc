#include "server/postgres/session.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <pqxx/basic_connection.hxx>
#include <pqxx/connection_base>
#include <pqxx/connectionpolicy.hxx>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "server/postgres/address.h"

namespace sluice::postgres {
namespace {

// Waits for one step of a connection in progress; false at the deadline, or when closing.
bool AwaitStep(PGconn* connection, PostgresPollingStatusType wanted, absl::Time deadline,
               const std::atomic<bool>* closing) {
  constexpr int kLookEveryMs = 100;
  pollfd socket = {PQsocket(connection), static_cast<int16_t>(wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
  for (;;) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration() || (closing != nullptr && *closing)) return false;
    const int left_ms = static_cast<int>(absl::ToInt64Milliseconds(left)) + 1;
    const int ready = poll(&socket, 1, std::min(left_ms, kLookEveryMs));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

// Null if there is no memory; else a connection that may have failed.
PGconn* Connect(const ConnectionParameters& parameters, absl::Time deadline, const std::atomic<bool>* closing,
                bool* timed_out) {
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* connection = PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/0);
  if (connection == nullptr) return nullptr;
  // Puts the SQLSTATE into the text of a failed connect, the only place for it.
  PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
  PostgresPollingStatusType step = PGRES_POLLING_WRITING;
  while (PQstatus(connection) != CONNECTION_BAD && step != PGRES_POLLING_OK && step != PGRES_POLLING_FAILED) {
    if (!AwaitStep(connection, step, deadline, closing)) {
      *timed_out = true;
      break;
    }
    step = PQconnectPoll(connection);
  }
  PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
  return connection;
}

// The handle that libpqxx is to take over next on this thread: its policy objects are
// built inside a constructor that passes them nothing but a string.
thread_local PGconn* handle_to_adopt = nullptr;

// libpqxx's hook for opening and closing a connection.
class AdoptingPolicy : public pqxx::connectionpolicy {
 public:
  explicit AdoptingPolicy(const std::string& options) : connectionpolicy(options) {}

  handle do_startconnect(handle existing) override { return existing != nullptr ? existing : handle_to_adopt; }
  handle do_completeconnect(handle existing) override { return existing; }
  // Never a silent reconnect: a new session would have lost what the old one had.
  handle do_dropconnect(handle existing) noexcept override { return existing; }
  handle do_disconnect(handle existing) noexcept override {
    if (existing != nullptr) PQfinish(existing);
    return nullptr;
  }
  bool is_ready(handle existing) const noexcept override { return existing != nullptr; }
};

// Each address of each host, as a connection of its own: only libpq's blocking calls give every
// address a share of the time. The name stays, for the certificate to be checked against. What
// can not be read or resolved is left to libpq, which says so.
std::vector<ConnectionParameters> Attempts(const ConnectionParameters& parameters) {
  const absl::StatusOr<std::vector<Endpoint>> endpoints = Endpoints(parameters);
  if (!endpoints.ok()) return {parameters};
  std::vector<ConnectionParameters> attempts;
  for (const Endpoint& endpoint : *endpoints) {
    ConnectionParameters one = parameters;
    one["host"] = endpoint.host;
    one["hostaddr"] = endpoint.hostaddr;
    one["port"] = endpoint.port;
    const bool has_place = !endpoint.hostaddr.empty() || endpoint.is_socket();
    const absl::StatusOr<std::vector<Address>> addresses =
        has_place ? std::vector<Address>() : Resolve(endpoint.host, endpoint.port);
    if (!addresses.ok() || addresses->empty()) {
      attempts.push_back(std::move(one));
      continue;
    }
    for (const Address& address : *addresses) {
      one["hostaddr"] = address.name;
      attempts.push_back(one);
    }
  }
  return attempts;
}

}  // namespace

void ForgetLibpqVariables() {
  for (const char* name : {"PGOPTIONS", "PGDATESTYLE", "PGTZ", "PGGEQO", "PGCLIENTENCODING", "PGSERVICE"}) {
    unsetenv(name);
  }
}

ConnectionParameters PoolerSafeParameters(ConnectionParameters wanted, const std::string& application_name) {
  wanted.insert({"application_name", application_name});
  wanted["client_encoding"] = "UTF8";
  wanted.insert({"gssencmode", "disable"});
  wanted.insert({"keepalives_idle", "30"});
  wanted.insert({"keepalives_interval", "10"});
  wanted.insert({"keepalives_count", "3"});
  wanted.insert({"tcp_user_timeout", "30000"});
  return wanted;
}

struct Session::Pqxx : pqxx::basic_connection_base<AdoptingPolicy> {
  Pqxx() : pqxx::basic_connection_base<AdoptingPolicy>(std::string()) {}
};

std::unique_ptr<Session> Session::Open(const ConnectionParameters& parameters, absl::Time deadline,
                                       const std::atomic<bool>* closing, Failure* failure) {
  const std::vector<ConnectionParameters> attempts = Attempts(parameters);
  std::unique_ptr<Session> session;
  for (size_t i = 0; i < attempts.size() && session == nullptr; ++i) {
    // An address that swallows packets gets its share of the time, and not all of it.
    const absl::Time now = absl::Now();
    const absl::Time end = now + (deadline - now) / static_cast<int64_t>(attempts.size() - i);
    *failure = Failure();
    session = OpenOne(attempts[i], end, closing, failure);
    const bool server_refused = !failure->error.sqlstate.empty() && failure->error.sqlstate != "57P03";
    if (server_refused || (closing != nullptr && *closing)) break;
  }
  return session;
}

std::unique_ptr<Session> Session::OpenOne(const ConnectionParameters& parameters, absl::Time deadline,
                                          const std::atomic<bool>* closing, Failure* failure) {
  PGconn* handle = Connect(parameters, deadline, closing, &failure->timed_out);
  if (handle == nullptr || PQstatus(handle) != CONNECTION_OK) {
    if (failure->timed_out) {
      failure->error.message = "the connection attempt timed out";
    } else {
      failure->error = ParseConnectError(handle == nullptr ? "out of memory" : PQerrorMessage(handle));
    }
    PQfinish(handle);
    return nullptr;
  }
  handle_to_adopt = handle;
  try {
    auto connection = std::make_unique<Pqxx>();
    PQsetnonblocking(handle, 1);
    return std::unique_ptr<Session>(new Session(std::move(connection), handle));
  } catch (const std::exception& e) {
    failure->error.message = e.what();
    PQfinish(handle);
    return nullptr;
  }
}

Session::Session(std::unique_ptr<Pqxx> connection, pg_conn* handle)
    : connection_(std::move(connection)), handle_(handle) {}

Session::~Session() = default;

}  // namespace sluice::postgres
