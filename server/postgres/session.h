#ifndef SLUICE_SERVER_POSTGRES_SESSION_H_
#define SLUICE_SERVER_POSTGRES_SESSION_H_

#include <atomic>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "server/postgres/endpoints.h"
#include "server/postgres/server_error.h"

struct pg_conn;  // libpq's PGconn

namespace sluice::postgres {

// libpq would send these as startup parameters, which poolers refuse. For main(), before there
// are threads.
void ForgetLibpqVariables();

// What a caller's URL asks for, plus what makes it safe on any pooler: UTF8, no startup
// option (PgBouncer refuses them, others drop them), and a half-open link noticed.
ConnectionParameters PoolerSafeParameters(ConnectionParameters wanted, const std::string& application_name);

// An open session: a libpqxx connection object whose libpq handle we keep, since
// libpqxx's own calls lose what this product lives on (the SQLSTATE of a lost
// connection, all results but the last, single rows; docs/adr/0002).
class Session {
 public:
  struct Failure {
    ServerError error;
    // Nobody said anything: the wait for it was given up.
    bool timed_out = false;
  };

  // Connects to the first address that takes us, of each host one after the other, each with an
  // equal share of the time until `deadline`. Does not block past it, nor for long once `closing`
  // is true (which may be null), but for the resolver, which has its own limits. Null on
  // failure, which `failure` tells of the last address that was tried.
  static std::unique_ptr<Session> Open(const ConnectionParameters& parameters, absl::Time deadline,
                                       const std::atomic<bool>* closing, Failure* failure);

  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Valid as long as the session. In non-blocking mode.
  pg_conn* handle() const { return handle_; }

 private:
  static std::unique_ptr<Session> OpenOne(const ConnectionParameters& parameters, absl::Time deadline,
                                          const std::atomic<bool>* closing, Failure* failure);
  struct Pqxx;
  Session(std::unique_ptr<Pqxx> connection, pg_conn* handle);

  std::unique_ptr<Pqxx> connection_;
  pg_conn* handle_;
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_SESSION_H_
