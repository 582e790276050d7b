#ifndef SLUICE_SERVER_QUERY_ANSWER_H_
#define SLUICE_SERVER_QUERY_ANSWER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"
#include "server/postgres/flight.h"
#include "server/query/plan.h"
#include "server/query/turn.h"
#include "server/query/type_catalog.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

// One statement's result in the form of the API; RESPONSE_TOO_LARGE past the plan's rows.
absl::Status EncodeResult(const Plan& plan, const postgres::Result& result, TypeCatalog* types, Turn* turn,
                          v1::ResultSet* out);
void AddNotices(const postgres::FlightReport& report, google::protobuf::RepeatedPtrField<v1::Notice>* notices);

// Keeps count of a reply's size. A result that does not fit any more is RESPONSE_TOO_LARGE,
// outcome COMMITTED: the statement is done, and only its answer is lost. Each part that is still
// to come keeps room for what became of it.
class ReplyRoom {
 public:
  // For a reply of `parts`, which has `taken` bytes already.
  ReplyRoom(const Plan& plan, size_t taken, size_t parts = 1);

  // Takes room for a result of so many bytes and rows; on error none is taken.
  absl::Status Take(size_t bytes, int64_t rows, size_t parts_left = 0);
  // An error with all its details, or where they do not fit with its reason and outcome only.
  google::rpc::Status TakeError(const absl::Status& error, size_t parts_left);

 private:
  bool HasRoom(size_t bytes, size_t parts_left) const;

  const int64_t bytes_max_;
  const int64_t reserve_per_part_;
  int64_t bytes_;
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_ANSWER_H_
