#include "client/cli/status_text.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "client/cli/terminal.h"

namespace sluice::cli {
namespace {

using google::protobuf::util::TimeUtil;

absl::Duration DurationOf(const google::protobuf::Duration& duration) {
  return absl::Nanoseconds(TimeUtil::DurationToNanoseconds(duration));
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixNanos(TimeUtil::TimestampToNanoseconds(time));
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : Printable(text); }

// Columns as wide as their widest cell; the last one as it comes. Numbers stand to the right.
std::string Columns(const std::vector<std::vector<std::string>>& rows, absl::string_view numbers) {
  std::vector<size_t> widths(rows[0].size());
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - Width(row[i]), ' ');
      const bool is_last = i + 1 == row.size();
      const bool is_number = numbers[i] == '#';
      absl::StrAppend(&text, i == 0 ? "" : "  ", is_number ? padding : "", row[i], is_number || is_last ? "" : padding);
    }
    text += "\n";
  }
  return text;
}

std::string PoolText(const v1::PoolStatus& pool) {
  std::string text = absl::StrCat("pool    ", pool.database(), "  ", OrDash(pool.url()), "\n");
  if (!pool.server_version().empty()) {
    absl::StrAppend(&text, "        PostgreSQL ", Printable(pool.server_version()),
                    pool.behind_pooler() ? " behind a pooler" : "", pool.tls() ? ", TLS" : ", no TLS", ", JIT off by ",
                    Printable(pool.jit_strategy()));
    if (pool.has_round_trip()) absl::StrAppend(&text, ", round trip ", ShortTime(DurationOf(pool.round_trip())));
    text += "\n";
  }
  absl::StrAppend(&text, "        ", pool.open(), " of ", pool.connections_max(), " connections open, ", pool.used(),
                  " in use, ", pool.held(), " held\n");
  if (!pool.last_failure().empty()) {
    absl::StrAppend(&text, "        NO CONNECTION: ", Printable(pool.last_failure()), "\n");
  }
  return text;
}

std::string LineText(const v1::LineStatus& line) {
  const int waiting = line.high() + line.normal() + line.low();
  if (waiting == 0) return "line    nobody waits\n";
  return absl::StrFormat("line    %d wait (%d high, %d normal, %d low), the first for %s; %d KiB\n", waiting,
                         line.high(), line.normal(), line.low(), ShortTime(DurationOf(line.oldest_wait())),
                         line.bytes() / 1024);
}

v1::Totals Since(const v1::Totals& before, v1::Totals now) {
  now.set_calls(now.calls() - before.calls());
  now.set_failures(now.failures() - before.failures());
  now.set_flights(now.flights() - before.flights());
  now.set_statements(now.statements() - before.statements());
  now.set_rows(now.rows() - before.rows());
  for (int i = 0; i < std::min(now.seconds_size(), before.seconds_size()); ++i) {
    now.mutable_seconds(i)->set_calls(now.seconds(i).calls() - before.seconds(i).calls());
  }
  return now;
}

}  // namespace

std::string ShortTime(absl::Duration duration) {
  if (duration < absl::Seconds(1)) {
    const double ms = absl::ToDoubleMilliseconds(duration);
    return absl::StrFormat(ms < 10 ? "%.1f ms" : "%.0f ms", ms);
  }
  if (duration < absl::Minutes(2)) return absl::StrFormat("%.1f s", absl::ToDoubleSeconds(duration));
  const int64_t minutes = absl::ToInt64Minutes(duration);
  if (minutes < 120) return absl::StrCat(minutes, " min");
  if (minutes < 2 * 24 * 60) return absl::StrFormat("%dh %02dm", minutes / 60, minutes % 60);
  return absl::StrFormat("%dd %02dh", minutes / 1440, minutes / 60 % 24);
}

std::string Quantile(const google::protobuf::RepeatedPtrField<v1::Totals::Bucket>& buckets, double share) {
  int64_t calls = 0, below = 0;
  for (const v1::Totals::Bucket& bucket : buckets) calls += bucket.calls();
  if (calls == 0) return "";
  for (int i = 0; i < buckets.size(); ++i) {
    below += buckets[i].calls();
    if (static_cast<double>(below) < share * static_cast<double>(calls)) continue;
    if (!std::isinf(buckets[i].up_to())) return absl::StrCat("up to ", ShortTime(absl::Seconds(buckets[i].up_to())));
    return absl::StrCat("more than ", ShortTime(absl::Seconds(i == 0 ? 0 : buckets[i - 1].up_to())));
  }
  return "";
}

std::string StatusText(const v1::GetStatusResponse& status, absl::Time now) {
  std::string text = absl::StrCat("sluiced ", Printable(status.version()), "  ",
                                  status.draining() ? "DRAINING"
                                  : status.ready()  ? "ready"
                                                    : "NOT READY",
                                  "  up ", ShortTime(now - TimeOf(status.started_at())), "  ",
                                  status.calls_in_progress(), " calls in progress, ", status.transactions_open(),
                                  " transactions, ", status.subscribers(), " listen\n");
  for (const v1::PoolStatus& pool : status.pools()) absl::StrAppend(&text, PoolText(pool));
  absl::StrAppend(&text, LineText(status.line()));
  return text;
}

std::string RatesText(const std::optional<Snapshot>& before, const Snapshot& now) {
  const bool is_same = before.has_value() && TimeOf(before->status.started_at()) == TimeOf(now.status.started_at());
  const absl::Time since = is_same ? before->taken_at : TimeOf(now.status.started_at());
  const v1::Totals totals = is_same ? Since(before->status.totals(), now.status.totals()) : now.status.totals();
  const double seconds = std::max(absl::ToDoubleSeconds(now.taken_at - since), 0.001);
  std::string text = absl::StrFormat(
      "%s  %.1f calls/s, %.1f failures/s, %.1f rows/s, %.1f flights/s of %.1f statements\n",
      is_same ? "now   " : "so far", static_cast<double>(totals.calls()) / seconds,
      static_cast<double>(totals.failures()) / seconds, static_cast<double>(totals.rows()) / seconds,
      static_cast<double>(totals.flights()) / seconds,
      static_cast<double>(totals.statements()) / static_cast<double>(std::max<int64_t>(totals.flights(), 1)));
  const std::string half = Quantile(totals.seconds(), 0.5);
  if (half.empty()) return text + "        no call has ended\n";
  absl::StrAppend(&text, "        answered within: half ", half, ", 99 of 100 ", Quantile(totals.seconds(), 0.99),
                  "\n");
  return text;
}

std::string CallsText(const v1::ListCallsResponse& calls) {
  if (calls.calls_size() == 0) return "no calls in progress\n";
  std::vector<std::vector<std::string>> rows = {
      {"CALL", "AGE", "STATE", "PID", "METHOD", "CALLER", "TAG", "STATEMENT"}};
  for (const v1::Call& call : calls.calls()) {
    rows.push_back({absl::StrCat(call.call_id()), ShortTime(DurationOf(call.age())),
                    call.has_connection() ? "runs" : "waits",
                    call.backend_pid() == 0 ? "-" : absl::StrCat(call.backend_pid()), OrDash(call.method()),
                    OrDash(call.caller()), OrDash(call.tag()), OrDash(call.statement())});
  }
  return Columns(rows, "##-#----");
}

std::string StatementsText(const v1::ListStatementsResponse& statements) {
  if (statements.statements_size() == 0) return "no statements yet\n";
  std::vector<std::vector<std::string>> rows = {{"TOTAL", "CALLS", "MEAN", "STATEMENT"}};
  for (const v1::StatementSummary& statement : statements.statements()) {
    const absl::Duration total = DurationOf(statement.total_time());
    rows.push_back({ShortTime(total), absl::StrCat(statement.calls()),
                    ShortTime(total / std::max<int64_t>(statement.calls(), 1)), OrDash(statement.shape())});
  }
  return Columns(rows, "###-");
}

std::string ErrorsText(const v1::GetStatusResponse& status, absl::Time now) {
  if (status.errors_size() == 0) return "no errors\n";
  std::vector<std::vector<std::string>> rows = {{"AGO", "COUNT", "REASON", "OUTCOME", "METHOD", "CALLER", "TAG"}};
  for (const v1::ErrorSummary& error : status.errors()) {
    rows.push_back({ShortTime(now - TimeOf(error.last_at())), absl::StrCat(error.count()), OrDash(error.reason()),
                    OrDash(error.outcome()), OrDash(error.method()), OrDash(error.caller()), OrDash(error.tag())});
  }
  return Columns(rows, "##-----");
}

std::string TopText(const std::optional<Snapshot>& before, const Snapshot& now) {
  return absl::StrCat(StatusText(now.status, now.taken_at), RatesText(before, now), "\n", CallsText(now.calls), "\n",
                      StatementsText(now.statements), "\n", ErrorsText(now.status, now.taken_at));
}

}  // namespace sluice::cli
