#include "server/query/plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/hash/hash.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/codec/literal.h"
#include "server/query/copy_command.h"

namespace sluice::query {
namespace {

bool IsJsonObject(const std::string& text) {
  return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false).is_object();
}

absl::StatusOr<postgres::Isolation> IsolationOf(const v1::TransactionOptions& transaction) {
  switch (transaction.isolation()) {
    case v1::TransactionOptions::ISOLATION_UNSPECIFIED: return postgres::Isolation::kDefault;
    case v1::TransactionOptions::READ_COMMITTED: return postgres::Isolation::kReadCommitted;
    case v1::TransactionOptions::REPEATABLE_READ: return postgres::Isolation::kRepeatableRead;
    case v1::TransactionOptions::SERIALIZABLE: return postgres::Isolation::kSerializable;
    default: return errors::InvalidField("transaction.isolation", "not a level that this gateway knows");
  }
}

absl::StatusOr<admission::Priority> PriorityOf(const v1::CallOptions& options) {
  switch (options.priority()) {
    case v1::PRIORITY_UNSPECIFIED:
    case v1::PRIORITY_NORMAL: return admission::Priority::kNormal;
    case v1::PRIORITY_LOW: return admission::Priority::kLow;
    case v1::PRIORITY_HIGH: return admission::Priority::kHigh;
    default: return errors::InvalidField("options.priority", "not one that this gateway knows");
  }
}

// Nothing that could end the comment which it goes into.
bool IsTag(absl::string_view text) {
  constexpr size_t kTagBytesMax = 64;
  const auto is_good = [](unsigned char c) {
    return absl::ascii_isalnum(c) || absl::string_view("_.:/-").find(static_cast<char>(c)) != absl::string_view::npos;
  };
  return text.size() <= kTagBytesMax && absl::c_all_of(text, is_good);
}

}  // namespace

std::string TagOrNone(const v1::CallOptions& options) { return IsTag(options.tag()) ? options.tag() : ""; }

namespace {

// Behind a statement, on a line of its own: it may end in a -- comment.
std::string Comment(const std::string& tag) { return tag.empty() ? "" : absl::StrCat("\n/*tag='", tag, "'*/"); }

// The statement that makes a flight run as somebody. Both settings in any case: another client
// may have left claims in a pooled session.
absl::StatusOr<std::string> IdentityStatement(const v1::Identity& identity) {
  constexpr size_t kRoleBytesMax = 63;  // as PostgreSQL cuts names
  constexpr size_t kClaimsBytesMax = 64 << 10;
  if (identity.role().size() > kRoleBytesMax || identity.role() == "none") {
    return errors::InvalidField("options.identity.role", "not the name of a role");
  }
  if (identity.claims_json().size() > kClaimsBytesMax) {
    return errors::RequestTooLarge("options.identity.claims_json", kClaimsBytesMax,
                                   static_cast<int64_t>(identity.claims_json().size()), "bytes");
  }
  if (!identity.claims_json().empty() && !IsJsonObject(identity.claims_json())) {
    return errors::InvalidField("options.identity.claims_json", "not a JSON object");
  }
  v1::Value role, claims;
  role.set_text_value(identity.role().empty() ? "none" : identity.role());
  claims.set_text_value(identity.claims_json());
  absl::StatusOr<codec::Literal> role_literal = codec::RenderLiteral(role, 1);
  absl::StatusOr<codec::Literal> claims_literal = codec::RenderLiteral(claims, 2);
  if (!role_literal.ok()) return errors::InvalidText("options.identity.role", "not UTF-8, or with a NUL");
  if (!claims_literal.ok()) return errors::InvalidText("options.identity.claims_json", "not UTF-8, or with a NUL");
  return absl::StrCat("SELECT pg_catalog.set_config('role', ", role_literal->text,
                      ", true), pg_catalog.set_config('request.jwt.claims', ", claims_literal->text, ", true)");
}

// All but the statements, of a call that may be made. `id`: of one that takes a request_id, and has one.
absl::StatusOr<Plan> PlanAllowedFrame(const v1::CallOptions& options, const v1::TransactionOptions& transaction,
                                      const auth::Caller& caller, const Limits& limits,
                                      std::optional<RequestId> id = std::nullopt) {
  if (!options.request_id().empty() && !id.has_value() && !options.read_only()) {
    return errors::InvalidField("options.request_id", "goes with Execute and with an ATOMIC ExecuteBatch");
  }
  const v1::ResultOptions& result = options.result();
  if (result.max_rows() < 0) return errors::InvalidField("options.result.max_rows", "must not be negative");
  if (result.max_bytes() < 0) return errors::InvalidField("options.result.max_bytes", "must not be negative");
  Plan plan;
  ASSIGN_OR_RETURN(plan.isolation, IsolationOf(transaction));
  ASSIGN_OR_RETURN(plan.priority, PriorityOf(options));
  if (!IsTag(options.tag())) {
    return errors::InvalidField("options.tag", "has more than 64 characters, or others than A-Z a-z 0-9 _ . : / -");
  }
  plan.tag = options.tag();
  plan.read_only = options.read_only() || transaction.read_only();
  plan.request_id = std::move(id);
  plan.deferrable = transaction.deferrable();
  plan.rows_max = result.max_rows();
  plan.reply_bytes_max = limits.reply_bytes_max;
  if (result.max_bytes() > 0) plan.reply_bytes_max = std::min(result.max_bytes(), limits.reply_bytes_max);
  plan.answer_bytes_max = limits.answer_bytes_max();
  plan.timestamps_as_text = result.timestamps_as_text();
  if (options.has_identity()) {
    if (!caller.may.impersonate) return errors::StatementNotAllowed(caller.name, "impersonate");
    ASSIGN_OR_RETURN(plan.identity, IdentityStatement(options.identity()));
    plan.role = options.identity().role();
  }
  return plan;
}

// The same of a call with SQL of the caller's.
absl::StatusOr<Plan> PlanFrame(const v1::CallOptions& options, const v1::TransactionOptions& transaction,
                               const auth::Caller& caller, const Limits& limits,
                               std::optional<RequestId> id = std::nullopt) {
  if (!caller.may.sql && !caller.may.read_only) return errors::StatementNotAllowed(caller.name, "sql");
  ASSIGN_OR_RETURN(Plan plan, PlanAllowedFrame(options, transaction, caller, limits, std::move(id)));
  plan.read_only = plan.read_only || !caller.may.sql;
  // What only reads may be done any number of times.
  if (plan.read_only) plan.request_id.reset();
  return plan;
}

absl::Status AddStatement(const v1::Statement& statement, bool shares_transaction, const auth::Caller& caller,
                          const Limits& limits, sql::StatementBook* book, Plan* plan) {
  ASSIGN_OR_RETURN(codec::BoundStatement bound, codec::Bind(statement, limits.bind, book));
  const sql::Statement& facts = bound.facts();
  // READ ONLY stops no COPY TO PROGRAM, LOCK or NOTIFY.
  if (!caller.may.sql && !facts.is_query) return errors::StatementNotAllowed(caller.name, "sql");
  if (plan->read_only && !facts.read_only_escape.empty()) return errors::ReadOnly(facts.read_only_escape);
  const bool in_transaction = shares_transaction || plan->read_only || !plan->identity.empty() || plan->deferrable ||
                              plan->request_id.has_value() || plan->isolation != postgres::Isolation::kDefault;
  if (!facts.may_share_transaction && in_transaction) return errors::NotInTransaction(facts.keyword);
  bound.text += Comment(plan->tag);
  plan->statements.push_back({std::move(bound), &statement.sql()});
  return absl::OkStatus();
}

absl::Status AddStatements(absl::Span<const v1::Statement* const> statements, bool share_transaction,
                           const auth::Caller& caller, const Limits& limits, sql::StatementBook* book, Plan* plan) {
  size_t bytes = 0;
  for (const v1::Statement* statement : statements) {
    const absl::Status added = AddStatement(*statement, share_transaction, caller, limits, book, plan);
    if (!added.ok()) {
      return plan->is_batch ? WithStatementIndex(added, plan->statements.size()) : added;
    }
    bytes += plan->statements.back().bound.text.size();
    if (bytes > limits.bind.bound_bytes_max) {
      return errors::RequestTooLarge("statements with their parameters",
                                     static_cast<int64_t>(limits.bind.bound_bytes_max), static_cast<int64_t>(bytes),
                                     "bytes");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBatchSize(int statements, const Limits& limits) {
  if (statements == 0) return errors::InvalidField("statements", "a batch has at least one statement");
  if (statements <= limits.batch_statements_max) return absl::OkStatus();
  return errors::RequestTooLarge("statements", limits.batch_statements_max, statements, "statements");
}

// Of a call with one statement, in its own transaction.
absl::StatusOr<Plan> PlanOne(const v1::Statement& statement, const v1::CallOptions& options,
                             const v1::TransactionOptions& transaction, const auth::Caller& caller,
                             const Limits& limits, sql::StatementBook* book,
                             std::optional<RequestId> id = std::nullopt) {
  ASSIGN_OR_RETURN(Plan plan, PlanFrame(options, transaction, caller, limits, std::move(id)));
  RETURN_IF_ERROR(AddStatement(statement, /*shares_transaction=*/false, caller, limits, book, &plan));
  return plan;
}

Sharing SharingOf(const Plan& plan, const sql::Statement& facts, const auth::Caller& caller) {
  // What another setting of standard_conforming_strings would read differently is refused by
  // itself, where it is one.
  const bool like_any_other = facts.may_share_transaction && !facts.depends_on_string_setting &&
                              plan.isolation == postgres::Isolation::kDefault && !plan.deferrable;
  if (!like_any_other) return Sharing::kNone;
  if (facts.looks_read_only) return Sharing::kReads;
  const bool may_commit = caller.may.group_commit && facts.is_plain_write && !plan.read_only;
  return may_commit ? Sharing::kWrites : Sharing::kNone;
}

absl::StatusOr<int64_t> BatchBytes(const v1::CallOptions& options, const Limits& limits) {
  constexpr int64_t kBatchBytes = 256 << 10;
  const int64_t wanted = options.result().batch_bytes();
  if (wanted < 0) return errors::InvalidField("options.result.batch_bytes", "must not be negative");
  // A batch ends with the row that fills it.
  return std::min(wanted == 0 ? kBatchBytes : wanted, limits.reply_bytes_max / 2);
}

// A COPY of the gateway's own.
PlannedStatement Own(std::string text, const std::string& tag) {
  static const auto& known = *new std::shared_ptr<sql::KnownStatement>(new sql::KnownStatement{"COPY", {}, {}, {}});
  PlannedStatement statement;
  statement.bound.text = absl::StrCat(text, Comment(tag));
  statement.bound.known = known;
  return statement;
}

}  // namespace

size_t Plan::bytes() const {
  size_t sum = 0;
  for (const PlannedStatement& statement : statements) sum += statement.bound.text.size();
  return sum;
}

absl::StatusOr<Plan> PlanExecute(const v1::ExecuteRequest& request, const auth::Caller& caller, const Limits& limits,
                                 sql::StatementBook* book) {
  ASSIGN_OR_RETURN(std::optional<RequestId> id, RequestIdOf(request, caller));
  ASSIGN_OR_RETURN(Plan plan, PlanOne(request.statement(), request.options(), request.transaction(), caller, limits,
                                      book, std::move(id)));
  PlannedStatement& statement = plan.statements[0];
  if (request.options().alone() || plan.request_id.has_value()) return plan;
  plan.sharing = SharingOf(plan, statement.bound.facts(), caller);
  if (plan.sharing == Sharing::kNone) return plan;
  plan.company = absl::HashOf(plan.identity, plan.sharing) | 1;
  if (plan.sharing == Sharing::kReads && !statement.bound.facts().draws_lots) {
    plan.content = absl::HashOf(statement.bound.text, plan.rows_max, plan.reply_bytes_max, plan.timestamps_as_text);
  }
  return plan;
}

absl::StatusOr<Plan> PlanStream(const v1::ExecuteRequest& request, const auth::Caller& caller, const Limits& limits,
                                sql::StatementBook* book) {
  ASSIGN_OR_RETURN(Plan plan,
                   PlanOne(request.statement(), request.options(), request.transaction(), caller, limits, book));
  ASSIGN_OR_RETURN(plan.batch_bytes, BatchBytes(request.options(), limits));
  return plan;
}

absl::StatusOr<Plan> PlanTransaction(const v1::TransactRequest::Begin& begin, const auth::Caller& caller,
                                     const Limits& limits) {
  return PlanFrame(begin.options(), begin.transaction(), caller, limits);
}

absl::StatusOr<Plan> PlanStep(const Plan& transaction, absl::Span<const v1::Statement* const> statements, bool is_batch,
                              const auth::Caller& caller, const Limits& limits, sql::StatementBook* book) {
  RETURN_IF_ERROR(CheckBatchSize(static_cast<int>(statements.size()), limits));
  Plan plan = transaction;
  plan.is_batch = is_batch;
  RETURN_IF_ERROR(AddStatements(statements, /*share_transaction=*/true, caller, limits, book, &plan));
  return plan;
}

absl::StatusOr<Plan> PlanDescribe(const v1::DescribeRequest& request, const auth::Caller& caller, const Limits& limits,
                                  sql::StatementBook* book) {
  return PlanOne(request.statement(), request.options(), v1::TransactionOptions(), caller, limits, book);
}

absl::StatusOr<Plan> PlanBatch(const v1::ExecuteBatchRequest& request, const auth::Caller& caller, const Limits& limits,
                               sql::StatementBook* book) {
  ASSIGN_OR_RETURN(std::optional<RequestId> id, RequestIdOf(request, caller));
  ASSIGN_OR_RETURN(Plan plan, PlanFrame(request.options(), request.transaction(), caller, limits, std::move(id)));
  plan.is_batch = true;
  RETURN_IF_ERROR(CheckBatchSize(request.statements_size(), limits));
  if (!v1::ExecuteBatchRequest::Mode_IsValid(request.mode())) {
    return errors::InvalidField("mode", "neither ATOMIC nor INDEPENDENT");
  }
  std::vector<const v1::Statement*> statements;
  for (const v1::Statement& statement : request.statements()) statements.push_back(&statement);
  const bool atomic = request.mode() != v1::ExecuteBatchRequest::INDEPENDENT;
  RETURN_IF_ERROR(AddStatements(statements, atomic, caller, limits, book, &plan));
  return plan;
}

absl::StatusOr<Plan> PlanCopyIn(const v1::CopyInRequest::Header& header, const auth::Caller& caller,
                                const Limits& limits) {
  if (!caller.may.copy) return errors::StatementNotAllowed(caller.name, "copy");
  ASSIGN_OR_RETURN(Plan plan, PlanAllowedFrame(header.options(), v1::TransactionOptions(), caller, limits));
  ASSIGN_OR_RETURN(std::string text, CopyInCommand(header));
  plan.statements.push_back(Own(std::move(text), plan.tag));
  return plan;
}

absl::StatusOr<Plan> PlanCopyOut(const v1::CopyOutRequest& request, const auth::Caller& caller, const Limits& limits,
                                 sql::StatementBook* book) {
  if (!caller.may.copy) return errors::StatementNotAllowed(caller.name, "copy");
  Plan plan;
  if (request.has_query()) {
    ASSIGN_OR_RETURN(plan, PlanOne(request.query(), request.options(), request.transaction(), caller, limits, book));
    PlannedStatement& query = plan.statements[0];
    RETURN_IF_ERROR(MakeCopyOut(request.format(), *query.caller_text, &query.bound));
  } else {
    ASSIGN_OR_RETURN(plan, PlanAllowedFrame(request.options(), request.transaction(), caller, limits));
    ASSIGN_OR_RETURN(std::string text, CopyOutCommand(request));
    plan.statements.push_back(Own(std::move(text), plan.tag));
  }
  ASSIGN_OR_RETURN(plan.batch_bytes, BatchBytes(request.options(), limits));
  return plan;
}

}  // namespace sluice::query
