#ifndef SLUICE_CLIENT_CPP_DATABASE_H_
#define SLUICE_CLIENT_CPP_DATABASE_H_

// The C++ client of a Sluice gateway.
//
//   absl::StatusOr<client::Database> db = client::Database::Open("127.0.0.1:7432");
//   absl::StatusOr<client::Result> people =
//       db->Execute("SELECT id, name FROM people WHERE age > $1", 30);
//   for (client::Row row : *people) {
//     absl::StatusOr<int64_t> id = row.Get<int64_t>("id");
//     ...
//   }
//
// Errors are absl::Status with the code of docs/errors.md; error.h tells the reason, the
// SQLSTATE, and what became of the work. Calls block; any number of threads may make them.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/cpp/copy.h"
#include "client/cpp/error.h"
#include "client/cpp/result.h"
#include "client/cpp/row_stream.h"
#include "client/cpp/statement.h"
#include "client/cpp/subscription.h"
#include "client/cpp/transaction.h"
#include "client/cpp/value.h"
#include "sluice/v1/database.pb.h"

namespace sluice::client {

class Connection;

struct CallOptions {
  // For the whole call, retries included.
  absl::Duration timeout = absl::Seconds(30);
  // READ ONLY; such a call is tried again also when its answer was lost.
  bool read_only = false;
  // Execute and ExecuteAtomic: done once, however often it is made (sluice.v1.CallOptions.request_id); so it is tried
  // again whatever became of its answer, within the timeout and Database::Options::retries_max.
  std::string request_id;
  // What kind of call this is, for those who operate the gateway and the database (sluice.v1.CallOptions.tag).
  std::string tag;
  // Among this caller's calls that wait (sluice.v1.Priority).
  v1::Priority priority = v1::PRIORITY_UNSPECIFIED;
  // Never in one flight with others that wait (sluice.v1.CallOptions.alone).
  bool alone = false;
  // Who the statements run as: a role, and claims as a JSON object (sluice.v1.Identity). Needs
  // the permission `impersonate`.
  std::optional<v1::Identity> identity;
  v1::TransactionOptions transaction;
  v1::ResultOptions result;
};

struct TransactionOptions {
  // For all of it: from its first statement to its end.
  absl::Duration timeout = absl::Seconds(60);
  // It is rolled back after so long without a request; at most a minute.
  absl::Duration idle_timeout = absl::Seconds(5);
  v1::TransactionOptions transaction;
  std::optional<v1::Identity> identity;
  // As CallOptions has it.
  std::string tag;
  v1::ResultOptions result;
};

// A gateway. Thread-safe, and cheap to copy: copies share one connection to the gateway,
// which carries any number of calls at once.
//
// A call is tried again, within its timeout, where that is safe: the gateway says that
// nothing was done and that a retry can help, or the call is read_only or has a request_id and its answer was
// lost on the way.
class Database {
 public:
  struct Options {
    // "host:port" or "unix:/path"; "dns:///name:port" for several gateways behind one name, or
    // "ipv4:1.2.3.4:7432,1.2.3.5:7432" (ipv6:...), which share the calls: those that are not ready get none, and
    // while none is, calls wait, as long as they have time.
    std::string target;
    // Sent as a bearer token. Needs TLS, or a loopback address.
    std::string token;
    // PEM files: the CA of the gateway's certificate (or else the system's CAs), and a client
    // certificate with its key. Any of them means TLS.
    std::string ca_file, cert_file, key_file;
    // TLS with the system's CAs, where none of them is set.
    bool tls = false;
    // Retries of one call at most.
    int retries_max = 5;
    // A gateway that says nothing at all for so long, while a call waits for it, is gone: its calls end with
    // UNAVAILABLE. At least 20 s, as gateways take no more pings than that.
    absl::Duration silence_max = absl::Seconds(30);
  };

  // Does not connect yet. INVALID_ARGUMENT if a file can not be read, or a token would
  // travel in the clear.
  static absl::StatusOr<Database> Open(const Options& options);
  static absl::StatusOr<Database> Open(const std::string& target);

  // db.Execute("SELECT ... $1 ... $2", 42, "text")
  template <typename... Params>
  absl::StatusOr<Result> Execute(absl::string_view sql, const Params&... params) const {
    return Execute(Statement(sql, params...), CallOptions());
  }
  absl::StatusOr<Result> Execute(const Statement& statement, const CallOptions& options) const;

  // The same for an answer of any size: its rows while they come (row_stream.h). Failing to begin is the stream's
  // status, too. `options.timeout` is for the whole of it.
  //
  //   for (client::Row row : db.Stream("SELECT ...")) is wrong: the stream must have a name of its own.
  template <typename... Params>
  RowStream Stream(absl::string_view sql, const Params&... params) const {
    return Stream(Statement(sql, params...), StreamOptions());
  }
  RowStream Stream(const Statement& statement, const CallOptions& options) const;
  // CallOptions with an hour's timeout.
  static CallOptions StreamOptions();

  // COPY, in and out (copy.h). Failing to begin is told like any other failure: by Commit(), and by status().
  // `options.timeout` is for the whole of it; its `transaction` is of a copy out.
  CopyWriter CopyIn(const v1::CopyTable& table, const v1::CopyFormat& format = v1::CopyFormat(),
                    const CallOptions& options = StreamOptions()) const;
  template <typename... Columns>
  RowWriter<Columns...> CopyRows(const v1::CopyTable& table, const CallOptions& options = StreamOptions()) const {
    v1::CopyInRequest::Header header;
    *header.mutable_table() = table;
    (header.add_kinds(Cells::KindOf(static_cast<const Columns*>(nullptr))), ...);
    return RowWriter<Columns...>(BeginCopy(std::move(header), options));
  }
  CopyReader CopyOut(const v1::CopyTable& table, const v1::CopyFormat& format = v1::CopyFormat(),
                     const CallOptions& options = StreamOptions()) const;
  CopyReader CopyOut(const Statement& query, const v1::CopyFormat& format = v1::CopyFormat(),
                     const CallOptions& options = StreamOptions()) const;

  // What is notified on these channels, from now on (subscription.h). When it ends, it subscribes again, for `patience`
  // at most until something comes.
  Subscription Listen(const std::vector<std::string>& channels, absl::Duration patience = absl::Minutes(1)) const;

  // All or nothing, in one round trip to the database. One result for each statement; the
  // error's metadata "statementIndex" names the statement that failed.
  absl::StatusOr<std::vector<Result>> ExecuteAtomic(const std::vector<Statement>& statements,
                                                    const CallOptions& options = CallOptions()) const;
  // Each its own transaction; one that fails does not stop the next. The outer error means
  // that the call as a whole failed.
  absl::StatusOr<std::vector<absl::StatusOr<Result>>> ExecuteIndependent(
      const std::vector<Statement>& statements, const CallOptions& options = CallOptions()) const;

  // An interactive transaction (transaction.h), which begins with its first statement.
  Transaction Begin(const TransactionOptions& options = TransactionOptions()) const;
  // Runs `work` in one, commits if it returns OK, and rolls back if not. OK means that it is committed. Does it over,
  // within the options' timeout, when PostgreSQL could not serialize it, a deadlock or a lost connection undid it, or
  // the gateway could not begin: so `work` must do nothing else that counts. What may have been committed is never done
  // again.
  absl::Status RunTransaction(const std::function<absl::Status(Transaction&)>& work,
                              const TransactionOptions& options = TransactionOptions()) const;

  // What a statement would return, and with `plan` how PostgreSQL would run it, without running it
  // (sluice.v1.Database.Describe tells what can be known). Its parameters may be left out.
  absl::StatusOr<v1::DescribeResponse> Describe(const Statement& statement, bool plan = false,
                                                const CallOptions& options = CallOptions()) const;

  absl::StatusOr<v1::PingResponse> Ping(absl::Duration timeout = absl::Seconds(5)) const;

  // grpc.health.v1 of a service: "" and "sluice.v1.Database" (ready), "liveness".
  // OK if it is SERVING, UNAVAILABLE if not.
  absl::Status CheckHealth(const std::string& service = "", absl::Duration timeout = absl::Seconds(5)) const;

 private:
  explicit Database(std::shared_ptr<const Connection> connection);
  CopyWriter BeginCopy(v1::CopyInRequest::Header header, const CallOptions& options) const;
  CopyReader BeginCopyOut(v1::CopyOutRequest request, const CallOptions& options) const;

  // Shared between the copies.
  std::shared_ptr<const Connection> connection_;
};

}  // namespace sluice::client

#endif  // SLUICE_CLIENT_CPP_DATABASE_H_
