#ifndef SLUICE_CLIENT_CPP_TRANSACTION_H_
#define SLUICE_CLIENT_CPP_TRANSACTION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cpp/result.h"
#include "client/cpp/statement.h"
#include "sluice/v1/database.pb.h"

namespace sluice::client {

// An interactive transaction:
//
//   client::Transaction move = db.Begin();
//   absl::StatusOr<client::Result> from = move.Execute("SELECT balance FROM accounts WHERE id = $1 FOR UPDATE", 1);
//   ...
//   absl::Status done = move.Commit();
//
// One that is destroyed before its commit is rolled back. Database::RunTransaction also does it over where that helps.
//
// It begins with its first statement, in the same round trip. A statement that fails leaves it FAILED: everything but
// Rollback and RollbackTo is refused then. Movable; not thread-safe.
class Transaction {
 public:
  // What carries requests and responses.
  class Wire {
   public:
    virtual ~Wire() = default;
    virtual bool Write(const v1::TransactRequest& request) = 0;
    virtual bool Read(v1::TransactResponse* response) = 0;
    // After one of them was false: how it ended.
    virtual absl::Status Finish() = 0;
    // From any thread: whatever waits ends.
    virtual void Cancel() = 0;
  };
  explicit Transaction(std::unique_ptr<Wire> wire);
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) noexcept;
  ~Transaction();

  template <typename... Params>
  absl::StatusOr<Result> Execute(absl::string_view sql, const Params&... params) {
    return Execute(Statement(sql, params...));
  }
  absl::StatusOr<Result> Execute(const Statement& statement);
  // All in one round trip. The error's metadata "statementIndex" names the one that failed.
  absl::StatusOr<std::vector<Result>> ExecuteBatch(const std::vector<Statement>& statements);
  // The same, and commits in the same round trip if all succeed.
  absl::StatusOr<Result> ExecuteAndCommit(const Statement& statement);
  absl::StatusOr<std::vector<Result>> ExecuteBatchAndCommit(const std::vector<Statement>& statements);

  absl::Status Savepoint(const std::string& name);
  absl::Status Release(const std::string& name);
  absl::Status RollbackTo(const std::string& name);

  absl::Status Commit();
  absl::Status Rollback();

  // From any thread, while the transaction lives: a statement that runs is cancelled, and the transaction rolled back.
  void Cancel();

  // OPEN until something else is known.
  v1::TransactResponse::State state() const;
  bool is_over() const { return state() != v1::TransactResponse::OPEN && state() != v1::TransactResponse::FAILED; }
  // What it has cost; known when it has ended.
  const v1::CallInfo& info() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::client

#endif  // SLUICE_CLIENT_CPP_TRANSACTION_H_
