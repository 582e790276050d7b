#include "server/query/copy_out.h"

#include <algorithm>
#include <string>

#include "server/query/answer.h"
#include "server/query/leg.h"
#include "server/query/sender.h"

namespace sluice::query {
namespace {

// Makes messages of the bytes.
class Pieces : public postgres::CopySink {
 public:
  Pieces(int64_t piece_bytes, const Turn* turn, MessageStream* stream)
      : piece_bytes_(static_cast<size_t>(piece_bytes)), sender_(turn, stream) {}

  bool Take(absl::string_view data) override {
    if (piece_.data().empty()) sender_.OnBatchBegun();
    // A large row is cut.
    while (!data.empty()) {
      const size_t fits = std::min(data.size(), piece_bytes_ - piece_.data().size());
      piece_.mutable_data()->append(data.data(), fits);
      data.remove_prefix(fits);
      if (piece_.data().size() == piece_bytes_ && !SendPiece()) return false;
    }
    return true;
  }
  absl::Time rest_at() const override { return piece_.data().empty() ? absl::InfiniteFuture() : sender_.rest_at(); }
  bool Rest() override { return SendPiece(); }

  // What is left, and the summary.
  bool End(const postgres::FlightReport& report, const CallCost& cost) {
    if (!piece_.data().empty() && !SendPiece()) return false;
    v1::CopyOutResponse message;
    v1::CopyOutResponse::Summary* summary = message.mutable_summary();
    summary->set_row_count(report.results[0].affected_count());
    AddNotices(report, summary->mutable_notices());
    *summary->mutable_info() = InfoOf(cost);
    sender_.SendLast(message);
    return true;
  }

  bool stopped() const { return stopped_; }
  absl::Status StatusOf(v1::Outcome outcome) const { return sender_.StatusOf(outcome); }

 private:
  bool SendPiece() {
    stopped_ = !sender_.SendBatch(piece_);
    piece_.mutable_data()->clear();
    return !stopped_;
  }

  const size_t piece_bytes_;
  Sender sender_;
  v1::CopyOutResponse piece_;
  bool stopped_ = false;
};

}  // namespace

TurnEnd CopyOut(const Plan& plan, Turn* turn, MessageStream* stream) {
  const Leg leg = {0, 1};
  Pieces pieces(std::max<int64_t>(1, plan.batch_bytes), turn, stream);
  postgres::Streams streams;
  streams.copy_out = &pieces;
  const absl::StatusOr<postgres::FlightReport> report = FlyLeg(plan, leg, turn, streams);
  if (!report.ok()) return {report.status()};
  if (report->failure.has_value()) {
    if (pieces.stopped()) return {pieces.StatusOf(report->failure->outcome)};
    return EndOfFailure(plan, leg, *report->failure, turn);
  }
  // It stopped at the very end, or has nobody to tell the end to: the work is done all the same.
  if (pieces.stopped() || !pieces.End(*report, turn->cost())) return {pieces.StatusOf(v1::OUTCOME_COMMITTED)};
  return {absl::OkStatus()};
}

}  // namespace sluice::query
