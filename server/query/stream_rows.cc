#include "server/query/stream_rows.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/errors.h"
#include "server/codec/row_batch.h"
#include "server/query/answer.h"
#include "server/query/leg.h"
#include "server/query/sender.h"

namespace sluice::query {
namespace {

// What stopped the rows, before PostgreSQL did.
enum class Stop { kNo, kByClient, kRowTooLarge, kTooManyRows, kValueForm, kTwoAnswers };

// Makes messages of the rows.
class Batches : public postgres::RowSink {
 public:
  Batches(const Plan& plan, TypeCatalog* types, Turn* turn, MessageStream* stream)
      : plan_(plan), types_(*types), turn_(*turn), sender_(turn, stream) {}

  bool Take(const postgres::Result& row) override {
    if (writer_ == nullptr && !Begin(row)) return false;
    if (plan_.rows_max > 0 && rows_ == plan_.rows_max) return StopFor(Stop::kTooManyRows);
    const int64_t size = writer_->SizeOf(row, 0);
    if (size > plan_.reply_bytes_max) return StopFor(Stop::kRowTooLarge);
    // A row that does not fit goes into a batch of its own.
    const bool fits = writer_->bytes() + size <= 2 * plan_.batch_bytes;
    if (!fits && writer_->row_count() > 0 && !SendBatch()) return false;
    if (const std::optional<int> column = writer_->Append(row, 0, size)) {
      stopped_at_column_ = std::string(row.column(*column).name);
      return StopFor(Stop::kValueForm);
    }
    ++rows_;
    if (writer_->row_count() == 1) sender_.OnBatchBegun();
    return writer_->bytes() < plan_.batch_bytes || SendBatch();
  }

  bool BeginAnother() override { return StopFor(Stop::kTwoAnswers); }
  absl::Time rest_at() const override {
    if (writer_ == nullptr || writer_->row_count() == 0) return absl::InfiniteFuture();
    return sender_.rest_at();
  }
  bool Rest() override { return SendBatch(); }

  // The header of `columns`, which may be a result without rows. Once.
  bool Begin(const postgres::Result& columns) {
    std::vector<codec::ColumnType> types = types_.ColumnTypes(columns, &turn_);
    v1::ExecuteStreamResponse message;
    v1::ExecuteStreamResponse::Header* header = message.mutable_header();
    for (int i = 0; i < columns.column_count(); ++i) {
      codec::DescribeColumn(columns.column(i), types[i], plan_.timestamps_as_text, header->add_columns());
    }
    writer_ =
        std::make_unique<codec::RowBatchWriter>(std::move(types), plan_.timestamps_as_text, batch_.mutable_rows());
    return sender_.Send(message) || StopFor(Stop::kByClient);
  }

  bool begun() const { return writer_ != nullptr; }

  // What is left, and the summary.
  bool End(const postgres::FlightReport& report) {
    const postgres::Result& result = report.results[0];
    if (!begun() && !Begin(result)) return false;
    if (writer_->row_count() > 0 && !SendBatch()) return false;
    v1::ExecuteStreamResponse message;
    v1::ExecuteStreamResponse::Summary* summary = message.mutable_summary();
    summary->set_command(result.command());
    summary->set_row_count(result.affected_count());
    AddNotices(report, summary->mutable_notices());
    *summary->mutable_info() = InfoOf(turn_.cost());
    sender_.SendLast(message);
    return true;
  }

  // Of a stream that stopped, and whose statement ended so.
  absl::Status StatusOf(v1::Outcome outcome) const {
    switch (stop_) {
      case Stop::kNo: break;
      case Stop::kByClient: return sender_.StatusOf(outcome);
      case Stop::kRowTooLarge: return errors::ResponseTooLarge("bytes", plan_.reply_bytes_max, rows_, outcome);
      case Stop::kTooManyRows: return errors::ResponseTooLarge("rows", plan_.rows_max, rows_, outcome);
      case Stop::kTwoAnswers: return errors::TwoAnswers(outcome);
      case Stop::kValueForm: return errors::ValueForm(stopped_at_column_, outcome);
    }
    return absl::OkStatus();
  }
  bool stopped() const { return stop_ != Stop::kNo; }

 private:
  bool SendBatch() {
    const bool sent = sender_.SendBatch(batch_);
    writer_->Clear();
    return sent || StopFor(Stop::kByClient);
  }

  bool StopFor(Stop why) {
    stop_ = why;
    return false;
  }

  const Plan& plan_;
  TypeCatalog& types_;
  Turn& turn_;
  Sender sender_;

  v1::ExecuteStreamResponse batch_;
  std::unique_ptr<codec::RowBatchWriter> writer_;  // into batch_; null before the header
  int64_t rows_ = 0;
  Stop stop_ = Stop::kNo;
  std::string stopped_at_column_;
};

}  // namespace

TurnEnd StreamRows(const Plan& plan, TypeCatalog* types, Turn* turn, MessageStream* stream) {
  const Leg leg = {0, 1};
  Batches batches(plan, types, turn, stream);
  const absl::StatusOr<postgres::FlightReport> report = FlyLeg(plan, leg, turn, {/*rows=*/&batches});
  if (!report.ok()) return {report.status()};
  if (report->failure.has_value()) {
    if (batches.stopped()) return {batches.StatusOf(report->failure->outcome)};
    return EndOfFailure(plan, leg, *report->failure, turn);
  }
  // It stopped at the very end, or has nobody to tell the end to: the work is done all the same.
  if (batches.stopped() || !batches.End(*report)) return {batches.StatusOf(v1::OUTCOME_COMMITTED)};
  return {absl::OkStatus()};
}

}  // namespace sluice::query
