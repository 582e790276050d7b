#include "server/admin/status_message.h"

#include <vector>

#include "absl/time/clock.h"

namespace sluice::admin {
namespace {

void SetTime(absl::Time time, google::protobuf::Timestamp* message) {
  message->set_seconds(absl::ToUnixSeconds(time));
  message->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(message->seconds()))));
}

void SetPool(const observe::PoolState& pool, v1::PoolStatus* message) {
  message->set_database(pool.name);
  message->set_url(pool.url);
  message->set_connections_max(pool.connections_max);
  message->set_open(pool.open);
  message->set_used(pool.used);
  message->set_held(pool.held);
  message->set_server_version(pool.server_version);
  message->set_behind_pooler(pool.behind_pooler);
  message->set_tls(pool.tls);
  message->set_jit_strategy(pool.jit_strategy);
  if (pool.round_trip != absl::InfiniteDuration()) SetDuration(pool.round_trip, message->mutable_round_trip());
  message->set_last_failure(pool.last_failure);
}

void SetLine(const observe::LineState& line, v1::LineStatus* message) {
  message->set_high(static_cast<int32_t>(line.waiting[0]));
  message->set_normal(static_cast<int32_t>(line.waiting[1]));
  message->set_low(static_cast<int32_t>(line.waiting[2]));
  SetDuration(line.oldest_wait, message->mutable_oldest_wait());
  message->set_bytes(static_cast<int64_t>(line.bytes));
}

void SetTotals(const observe::Totals& totals, v1::Totals* message) {
  message->set_calls(totals.calls);
  message->set_failures(totals.failures);
  message->set_flights(totals.flights);
  message->set_statements(totals.statements);
  message->set_rows(totals.rows);
  message->set_retries(totals.retries);
  for (const observe::Totals::Bucket& bucket : totals.durations) {
    v1::Totals::Bucket* const seconds = message->add_seconds();
    seconds->set_up_to(bucket.up_to);
    seconds->set_calls(bucket.count);
  }
}

void SetError(const observe::ErrorState& error, v1::ErrorSummary* message) {
  message->set_reason(error.reason);
  message->set_outcome(error.outcome);
  message->set_count(error.count);
  SetTime(error.last_at, message->mutable_last_at());
  message->set_sqlstate(error.sqlstate);
  message->set_method(error.method);
  message->set_caller(error.caller);
  message->set_tag(error.tag);
}

}  // namespace

void SetDuration(absl::Duration duration, google::protobuf::Duration* message) {
  message->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  message->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
}

void SetStatus(const observe::State& state, const observe::Totals& totals,
               const std::vector<observe::ErrorState>& errors, v1::GetStatusResponse* message) {
  message->set_version(state.version);
  SetTime(state.started_at, message->mutable_started_at());
  message->set_ready(state.ready);
  message->set_draining(state.draining);
  message->set_calls_in_progress(state.calls_in_progress);
  message->set_transactions_open(state.transactions_open);
  message->set_subscribers(state.subscribers);
  SetPool(state.pool, message->add_pools());
  SetLine(state.line, message->mutable_line());
  SetTotals(totals, message->mutable_totals());
  for (const observe::ErrorState& error : errors) SetError(error, message->add_errors());
}

void SetCall(const observe::CallState& call, v1::Call* message) {
  message->set_call_id(call.id);
  message->set_method(call.method);
  message->set_caller(call.caller);
  message->set_tag(call.tag);
  SetDuration(absl::Now() - call.arrived_at, message->mutable_age());
  message->set_has_connection(call.has_connection);
  message->set_backend_pid(call.backend_pid);
  message->set_statement(call.statement);
}

void SetStatement(const observe::StatementState& statement, v1::StatementSummary* message) {
  message->set_shape(statement.shape);
  message->set_fingerprint(statement.fingerprint);
  message->set_calls(statement.calls);
  SetDuration(statement.total_time, message->mutable_total_time());
}

}  // namespace sluice::admin
