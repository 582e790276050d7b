#ifndef SLUICE_SERVER_ADMIN_STATUS_MESSAGE_H_
#define SLUICE_SERVER_ADMIN_STATUS_MESSAGE_H_

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "server/observe/state.h"
#include "sluice/v1/admin.pb.h"

namespace sluice::admin {

// What is, as the messages of sluice.v1.Admin tell it.
void SetDuration(absl::Duration duration, google::protobuf::Duration* message);
void SetStatus(const observe::State& state, const observe::Totals& totals,
               const std::vector<observe::ErrorState>& errors, v1::GetStatusResponse* message);
void SetCall(const observe::CallState& call, v1::Call* message);
void SetStatement(const observe::StatementState& statement, v1::StatementSummary* message);

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_STATUS_MESSAGE_H_
