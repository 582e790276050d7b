#include "server/query/copy_in.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/base/error.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/query/answer.h"
#include "server/query/leg.h"

namespace sluice::query {
namespace {

// What the client sends, as COPY reads it.
class Upload : public postgres::CopySource {
 public:
  // `writer`: of typed rows; null for data.
  Upload(const codec::CopyRowWriter* writer, absl::Duration silence_max, const Turn* turn, RequestStream* requests)
      : writer_(writer),
        silence_max_(silence_max),
        turn_(*turn),
        requests_(*requests),
        silent_until_(absl::Now() + silence_max) {}

  Given Next(absl::string_view* data, absl::Time until) override {
    for (;;) {
      const absl::Status status = TakePiece(data);
      if (!status.ok()) return StopFor(status);
      if (!data->empty()) return Given::kData;
      const absl::StatusOr<RequestStream::Heard> heard = requests_.Read(&message_, std::min(until, silent_until_));
      if (!heard.ok()) return StopFor(heard.status());
      switch (*heard) {
        case RequestStream::Heard::kMessage: break;
        case RequestStream::Heard::kEnd: return Given::kEnd;
        case RequestStream::Heard::kClientGone: return StopFor(turn_.WhyEnded(v1::OUTCOME_ROLLED_BACK));
        case RequestStream::Heard::kNothing:
          if (absl::Now() < silent_until_) return Given::kNothing;
          return StopFor(errors::SenderStalled(v1::OUTCOME_ROLLED_BACK, silence_max_));
      }
      silent_until_ = absl::Now() + silence_max_;
      const absl::Status good = BeginPart();
      if (!good.ok()) return StopFor(good);
    }
  }

  bool stopped() const { return !status_.ok(); }
  // Why it stopped.
  const absl::Status& status() const { return status_; }

 private:
  absl::Status BeginPart() {
    using Part = v1::CopyInRequest;
    switch (message_.part_case()) {
      case Part::kData:
        if (writer_ != nullptr) return errors::InvalidField("data", "the header announces rows (kinds)");
        rest_ = message_.data();
        return absl::OkStatus();
      case Part::kRows:
        if (writer_ == nullptr)
          return errors::InvalidField("rows", "the header announces no kinds of columns for them");
        next_row_ = 0;
        return writer_->Check(message_.rows());
      case Part::kHeader: return errors::InvalidField("header", "it comes once");
      case Part::PART_NOT_SET: break;
    }
    return errors::InvalidField("part", "none is set");
  }

  // Of the message: libpq keeps a copy of what it is given, and a row's text can be twenty times as long as the row.
  absl::Status TakePiece(absl::string_view* data) {
    constexpr size_t kPieceBytes = 256 << 10;
    if (rest_.empty() && next_row_ < static_cast<int>(message_.rows().row_count())) {
      rows_.clear();
      ASSIGN_OR_RETURN(next_row_, writer_->Append(message_.rows(), next_row_, kPieceBytes, &rows_));
      rest_ = rows_;
    }
    *data = rest_.substr(0, kPieceBytes);
    rest_.remove_prefix(data->size());
    return absl::OkStatus();
  }

  Given StopFor(const absl::Status& why) {
    status_ = why;
    return Given::kStop;
  }

  const codec::CopyRowWriter* const writer_;
  const absl::Duration silence_max_;
  const Turn& turn_;
  RequestStream& requests_;
  absl::Time silent_until_;
  v1::CopyInRequest message_;
  // What of its data, or of its rows and of the text of some of them, is still to be given.
  absl::string_view rest_;
  int next_row_ = 0;
  std::string rows_;
  absl::Status status_;
};

// "COPY events, line 3, column id: ..." -> "3". The words are in the server's language; what is around them is not.
std::string LineOf(const postgres::ServerError& error, absl::string_view table) {
  for (absl::string_view context : absl::StrSplit(error.where, '\n')) {
    if (!absl::ConsumePrefix(&context, absl::StrCat("COPY ", table, ", "))) continue;
    while (!context.empty() && !absl::ascii_isdigit(context.front())) context.remove_prefix(1);
    size_t digits = 0;
    while (digits < context.size() && absl::ascii_isdigit(context[digits])) ++digits;
    return std::string(context.substr(0, digits));
  }
  return "";
}

absl::Status NameLine(const absl::Status& status, const std::string& line) {
  if (line.empty()) return status;
  ErrorFacts facts = FactsOf(status);
  facts.metadata["line"] = line;
  absl::StrAppend(&facts.message, " (line ", line, ")");
  return MakeError(std::move(facts));
}

// The name without its schema.
std::string TableOf(const v1::CopyTable& table) {
  const size_t dot = table.schema().empty() ? table.table().find('.') : std::string::npos;
  return dot == std::string::npos ? table.table() : table.table().substr(dot + 1);
}

}  // namespace

absl::StatusOr<CopyIn> CopyIn::Of(const v1::CopyInRequest::Header& header, const auth::Caller& caller,
                                  const Limits& limits) {
  ASSIGN_OR_RETURN(Plan plan, PlanCopyIn(header, caller, limits));
  CopyIn copy(std::move(plan));
  copy.table_ = TableOf(header.table());
  copy.silence_max_ = limits.sender_silence_max;
  if (!header.kinds().empty()) {
    std::vector<v1::ColumnKind> kinds;
    for (const int kind : header.kinds()) kinds.push_back(static_cast<v1::ColumnKind>(kind));
    ASSIGN_OR_RETURN(codec::CopyRowWriter writer, codec::CopyRowWriter::Of(std::move(kinds)));
    copy.writer_.emplace(std::move(writer));
  }
  return copy;
}

TurnEnd CopyIn::Run(Turn* turn, RequestStream* requests, v1::CopyInResponse* response) const {
  const Leg leg = {0, 1};
  Upload upload(writer_.has_value() ? &*writer_ : nullptr, silence_max_, turn, requests);
  postgres::Streams streams;
  streams.copy_in = &upload;
  const absl::StatusOr<postgres::FlightReport> report = FlyLeg(plan_, leg, turn, streams);
  if (!report.ok()) return {report.status()};
  if (report->failure.has_value()) {
    const postgres::FlightFailure& failure = *report->failure;
    // Unless PostgreSQL had judged it before: 57014 is how it calls our own failure.
    const bool was_judged = failure.is_verdict && failure.error.sqlstate != "57014";
    if (upload.stopped() && !was_judged) return {WithOutcome(upload.status(), failure.outcome)};
    TurnEnd end = EndOfFailure(plan_, leg, failure, turn);
    if (was_judged) {
      end.status = NameLine(end.status, LineOf(failure.error, table_));
    }
    return end;
  }
  response->set_row_count(report->results[0].affected_count());
  AddNotices(*report, response->mutable_notices());
  *response->mutable_info() = InfoOf(turn->cost());
  return {absl::OkStatus()};
}

}  // namespace sluice::query
