#include "server/query/answer.h"

#include <algorithm>
#include <utility>

#include "server/base/error.h"
#include "server/base/errors.h"
#include "server/codec/encode.h"
#include "server/query/rpc_status.h"

namespace sluice::query {

absl::Status EncodeResult(const Plan& plan, const postgres::Result& result, TypeCatalog* types, Turn* turn,
                          v1::ResultSet* out) {
  if (plan.rows_max > 0 && result.row_count() > plan.rows_max) {
    return errors::ResponseTooLarge("rows", plan.rows_max, result.row_count(), v1::OUTCOME_COMMITTED);
  }
  codec::EncodeOptions options;
  options.timestamps_as_text = plan.timestamps_as_text;
  options.bytes_max = plan.reply_bytes_max;
  if (codec::Encode(result, types->ColumnTypes(result, turn), options, out)) return absl::OkStatus();
  out->Clear();
  return errors::ResponseTooLarge("bytes", plan.reply_bytes_max, result.row_count(), v1::OUTCOME_COMMITTED);
}

void AddNotices(const postgres::FlightReport& report, google::protobuf::RepeatedPtrField<v1::Notice>* notices) {
  for (const postgres::ServerError& notice : report.notices) {
    v1::Notice* proto = notices->Add();
    proto->set_severity(notice.severity);
    proto->set_sqlstate(notice.sqlstate);
    proto->set_message(notice.message);
    proto->set_detail(notice.detail);
    proto->set_hint(notice.hint);
  }
}

// Tags and lengths around a part, and the facts about the call.
constexpr int64_t kFraming = 64;

// An ErrorInfo with reason, outcome and index takes about 200 bytes.
ReplyRoom::ReplyRoom(const Plan& plan, size_t taken, size_t parts)
    : bytes_max_(plan.reply_bytes_max),
      reserve_per_part_(std::min<int64_t>(256, plan.reply_bytes_max / static_cast<int64_t>(2 * parts))),
      bytes_(static_cast<int64_t>(taken) + kFraming) {}

bool ReplyRoom::HasRoom(size_t bytes, size_t parts_left) const {
  return bytes_ + static_cast<int64_t>(bytes) + kFraming + reserve_per_part_ * static_cast<int64_t>(parts_left) <=
         bytes_max_;
}

absl::Status ReplyRoom::Take(size_t bytes, int64_t rows, size_t parts_left) {
  if (!HasRoom(bytes, parts_left)) {
    return errors::ResponseTooLarge("bytes", bytes_max_, rows, v1::OUTCOME_COMMITTED);
  }
  bytes_ += static_cast<int64_t>(bytes) + kFraming;
  return absl::OkStatus();
}

google::rpc::Status ReplyRoom::TakeError(const absl::Status& error, size_t parts_left) {
  google::rpc::Status rpc = ToRpcStatus(error);
  if (!HasRoom(rpc.ByteSizeLong(), parts_left)) {
    ErrorFacts all = FactsOf(error), few;
    few.code = all.code;
    few.reason = all.reason;
    few.outcome = all.outcome;
    for (const char* key : {"statementIndex", "sqlstate"}) {
      if (all.metadata.count(key) > 0) few.metadata[key] = all.metadata[key];
    }
    rpc = ToRpcStatus(MakeError(std::move(few)));
  }
  bytes_ += static_cast<int64_t>(rpc.ByteSizeLong()) + kFraming;
  return rpc;
}

}  // namespace sluice::query
