#ifndef SLUICE_SERVER_QUERY_PLAN_H_
#define SLUICE_SERVER_QUERY_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/admission/line.h"
#include "server/auth/caller.h"
#include "server/codec/bind.h"
#include "server/postgres/flight.h"
#include "server/query/request_id.h"
#include "server/sql/statement_book.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

struct Limits {
  codec::BindLimits bind;
  int batch_statements_max = 1000;
  // A client that sends a stream and is silent for so long is gone.
  absl::Duration sender_silence_max = absl::Minutes(1);
  int64_t reply_bytes_max = 4 << 20;
  // A reply's bytes as PostgreSQL's text can be many more (a bool is one byte here and
  // twelve there), and libpq keeps all of them in memory, of NULLs four times as much.
  int64_t answer_bytes_max() const { return 8 * reply_bytes_max; }
};

// A statement that is ready, and where to find the caller's own text of it.
struct PlannedStatement {
  codec::BoundStatement bound;
  const std::string* caller_text = nullptr;  // in the request, which outlives the plan
};

enum class Sharing {
  kNone,
  kReads,  // plain reads, in one READ ONLY transaction
  kWrites  // plain writes, committed as one: of a caller with the permission `group_commit`
};

// What a request asks for, checked and bound as far as it can be without a connection.
struct Plan {
  std::vector<PlannedStatement> statements;
  // Errors name their statement.
  bool is_batch = false;
  postgres::Isolation isolation = postgres::Isolation::kDefault;
  bool read_only = false;
  bool deferrable = false;
  admission::Priority priority = admission::Priority::kNormal;
  int64_t rows_max = 0;  // 0: no limit
  int64_t reply_bytes_max = 0;
  int64_t answer_bytes_max = 0;
  bool timestamps_as_text = false;
  // Of a stream: about how large its batches are.
  int64_t batch_bytes = 0;
  // For whom it runs: a statement that sets it, and the role; empty for nobody in particular.
  std::string identity;
  std::string role;
  // As its caller calls it.
  std::string tag;
  // It is done once, however often it is asked for (once.h).
  std::optional<RequestId> request_id;
  // What may fly together with others like it, of one caller and identity, once it is known to be
  // quick.
  Sharing sharing = Sharing::kNone;
  // What a plain read asks for; 0 for what is done once for every call: a write, and what draws lots.
  uint64_t content = 0;
  // The same for those of one kind and identity, and not 0.
  uint64_t company = 0;

  // Of the bound texts.
  size_t bytes() const;
};

// The caller's tag; none if it is not one.
std::string TagOrNone(const v1::CallOptions& options);

// The request must outlive the plan. Errors: those of codec::Bind with the statement's
// index in a batch, INVALID_FIELD, REQUEST_TOO_LARGE, STATEMENT_NOT_ALLOWED,
// ACTIVE_SQL_TRANSACTION.
absl::StatusOr<Plan> PlanExecute(const v1::ExecuteRequest& request, const auth::Caller& caller, const Limits& limits,
                                 sql::StatementBook* book);
// Of a statement whose rows are streamed.
absl::StatusOr<Plan> PlanStream(const v1::ExecuteRequest& request, const auth::Caller& caller, const Limits& limits,
                                sql::StatementBook* book);
// Of a transaction: what holds for each of its steps; and one step, of at least one statement, which must outlive
// the plan.
absl::StatusOr<Plan> PlanTransaction(const v1::TransactRequest::Begin& begin, const auth::Caller& caller,
                                     const Limits& limits);
absl::StatusOr<Plan> PlanStep(const Plan& transaction, absl::Span<const v1::Statement* const> statements, bool is_batch,
                              const auth::Caller& caller, const Limits& limits, sql::StatementBook* book);
absl::StatusOr<Plan> PlanDescribe(const v1::DescribeRequest& request, const auth::Caller& caller, const Limits& limits,
                                  sql::StatementBook* book);
absl::StatusOr<Plan> PlanBatch(const v1::ExecuteBatchRequest& request, const auth::Caller& caller, const Limits& limits,
                               sql::StatementBook* book);
// Of a COPY, whose text the gateway makes (copy_command.h).
absl::StatusOr<Plan> PlanCopyIn(const v1::CopyInRequest::Header& header, const auth::Caller& caller,
                                const Limits& limits);
absl::StatusOr<Plan> PlanCopyOut(const v1::CopyOutRequest& request, const auth::Caller& caller, const Limits& limits,
                                 sql::StatementBook* book);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_PLAN_H_
