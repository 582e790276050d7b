#include "server/query/answer.h"

#include "server/base/errors.h"
#include "server/codec/encode.h"

namespace sluice::query {

absl::Status EncodeResult(const Plan& plan, const postgres::Result& result, TypeCatalog* types, Turn* turn,
                          v1::ResultSet* out) {
  if (plan.rows_max > 0 && result.row_count() > plan.rows_max) {
    return errors::ResponseTooLarge("rows", plan.rows_max, result.row_count(), v1::OUTCOME_COMMITTED);
  }
  codec::EncodeOptions options;
  options.timestamps_as_text = plan.timestamps_as_text;
  codec::Encode(result, types->ColumnTypes(result, turn), options, out);
  return absl::OkStatus();
}

void AddNotices(const postgres::FlightReport& report, v1::ResultSet* result) {
  for (const postgres::ServerError& notice : report.notices) {
    v1::Notice* proto = result->add_notices();
    proto->set_severity(notice.severity);
    proto->set_sqlstate(notice.sqlstate);
    proto->set_message(notice.message);
    proto->set_detail(notice.detail);
    proto->set_hint(notice.hint);
  }
}

absl::Status ReplyRoom::Take(size_t part_bytes, int64_t rows) {
  const int64_t with_this = bytes_ + static_cast<int64_t>(part_bytes);
  if (with_this > bytes_max_) return errors::ResponseTooLarge("bytes", bytes_max_, rows, v1::OUTCOME_COMMITTED);
  bytes_ = with_this;
  return absl::OkStatus();
}

}  // namespace sluice::query
