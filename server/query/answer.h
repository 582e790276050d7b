#ifndef SLUICE_SERVER_QUERY_ANSWER_H_
#define SLUICE_SERVER_QUERY_ANSWER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "server/postgres/flight.h"
#include "server/query/plan.h"
#include "server/query/turn.h"
#include "server/query/type_catalog.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

// One statement's result in the form of the API; RESPONSE_TOO_LARGE past the plan's rows.
absl::Status EncodeResult(const Plan& plan, const postgres::Result& result, TypeCatalog* types, Turn* turn,
                          v1::ResultSet* out);
void AddNotices(const postgres::FlightReport& report, v1::ResultSet* result);

// Keeps count of a reply's size. What does not fit any more is RESPONSE_TOO_LARGE, outcome
// COMMITTED: the statement is done, and only its answer is lost.
class ReplyRoom {
 public:
  // `taken`: bytes that the reply has already.
  ReplyRoom(const Plan& plan, size_t taken) : bytes_max_(plan.reply_bytes_max), bytes_(static_cast<int64_t>(taken)) {}

  // On error nothing is taken. `rows` are those of the part.
  absl::Status Take(size_t part_bytes, int64_t rows);

 private:
  const int64_t bytes_max_;
  int64_t bytes_;
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_ANSWER_H_
