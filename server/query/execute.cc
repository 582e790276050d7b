#include "server/query/execute.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/status.pb.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/query/answer.h"
#include "server/query/leg.h"
#include "server/query/once.h"

namespace sluice::query {

using postgres::FlightReport;

namespace {

// A whole call, whose answer `encode` writes into the response.
template <typename Response>
TurnEnd DoWhole(const Plan& plan, Ledger* ledger, Turn* turn, const Once::Encode& encode, Response* response) {
  TurnEnd end;
  if (plan.request_id.has_value()) {
    end = Once(plan, ledger, turn, encode, response).Do();
  } else {
    const Leg all = {0, plan.statements.size()};
    const absl::StatusOr<FlightReport> report = FlyLeg(plan, all, turn);
    if (!report.ok()) return {report.status()};
    if (report->failure.has_value()) return EndOfFailure(plan, all, *report->failure, turn);
    end.status = encode(*report);
  }
  if (end.status.ok()) *response->mutable_info() = InfoOf(turn->cost());
  return end;
}

}  // namespace

TurnEnd Execute(const Plan& plan, TypeCatalog* types, Ledger* ledger, Turn* turn, v1::ExecuteResponse* response) {
  const auto encode = [&](const FlightReport& report) {
    if (plan.sharing != Sharing::kNone) plan.statements[0].bound.known->cost.Record(turn->server_time());
    v1::ResultSet* result = response->mutable_result();
    RETURN_IF_ERROR(EncodeResult(plan, report.results[0], types, turn, result));
    AddNotices(report, result->mutable_notices());
    return ReplyRoom(plan, 0).Take(response->ByteSizeLong(), result->rows().row_count());
  };
  return DoWhole(plan, ledger, turn, encode, response);
}

TurnEnd ExecuteAtomic(const Plan& plan, TypeCatalog* types, Ledger* ledger, Turn* turn,
                      v1::ExecuteBatchResponse* response) {
  const auto encode = [&](const FlightReport& report) {
    int64_t rows = 0;
    v1::ResultSet* last = nullptr;
    for (const postgres::Result& result : report.results) {
      last = response->add_results()->mutable_result();
      RETURN_IF_ERROR(EncodeResult(plan, result, types, turn, last));
      rows += result.row_count();
    }
    // Notices come between the results, but libpq does not tell behind which.
    AddNotices(report, last->mutable_notices());
    return ReplyRoom(plan, 0).Take(response->ByteSizeLong(), rows);
  };
  return DoWhole(plan, ledger, turn, encode, response);
}

namespace {

// One statement of an independent batch: its result, or its error. `again`: the statement
// wants another turn, and `outcome` is what it says if it can not have one.
TurnEnd FlyOne(const Plan& plan, size_t index, TypeCatalog* types, Turn* turn, ReplyRoom* room,
               v1::BatchResult* outcome) {
  const Leg leg = {index, index + 1};
  const absl::StatusOr<FlightReport> report = FlyLeg(plan, leg, turn);
  if (!report.ok()) return {report.status()};
  if (report->failure.has_value()) return EndOfFailure(plan, leg, *report->failure, turn);
  v1::ResultSet* result = outcome->mutable_result();
  const absl::Status encoded = EncodeResult(plan, report->results[0], types, turn, result);
  if (!encoded.ok()) return {encoded};
  AddNotices(*report, result->mutable_notices());
  return {room->Take(outcome->ByteSizeLong(), result->rows().row_count(), plan.statements.size() - index - 1)};
}

google::rpc::Status ErrorOf(const Plan& plan, size_t index, const absl::Status& status, ReplyRoom* room) {
  return room->TakeError(WithStatementIndex(status, index), plan.statements.size() - index - 1);
}

}  // namespace

TurnEnd ExecuteIndependent(const Plan& plan, TypeCatalog* types, Turn* turn, v1::ExecuteBatchResponse* response) {
  ReplyRoom room(plan, response->ByteSizeLong(), plan.statements.size());
  for (size_t index = response->results_size(); index < plan.statements.size(); ++index) {
    turn->cost().statement = index;
    v1::BatchResult outcome;
    TurnEnd end = FlyOne(plan, index, types, turn, &room, &outcome);
    if (end.again) return end;
    if (!end.status.ok()) *outcome.mutable_error() = ErrorOf(plan, index, end.status, &room);
    *response->add_results() = std::move(outcome);
    turn->cost().flies_again_as_read = false;
    turn->cost().reruns = 0;
  }
  *response->mutable_info() = InfoOf(turn->cost());
  return {absl::OkStatus()};
}

void GiveUpRest(const Plan& plan, const absl::Status& next, const absl::Status& rest, const CallCost& cost,
                v1::ExecuteBatchResponse* response) {
  ReplyRoom room(plan, response->ByteSizeLong(), plan.statements.size());
  const size_t first = response->results_size();
  for (size_t index = first; index < plan.statements.size(); ++index) {
    *response->add_results()->mutable_error() = ErrorOf(plan, index, index == first ? next : rest, &room);
  }
  *response->mutable_info() = InfoOf(cost);
}

}  // namespace sluice::query
