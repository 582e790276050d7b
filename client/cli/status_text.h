#ifndef SLUICE_CLIENT_CLI_STATUS_TEXT_H_
#define SLUICE_CLIENT_CLI_STATUS_TEXT_H_

// What a gateway is doing, for people.

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "sluice/v1/admin.pb.h"

namespace sluice::cli {

// What was asked of a gateway at one time.
struct Snapshot {
  absl::Time taken_at;
  v1::GetStatusResponse status;
  v1::ListCallsResponse calls;
  v1::ListStatementsResponse statements;
};

// "3.2 ms", "41 s", "2h 03m": as much as one wants to read.
std::string ShortTime(absl::Duration duration);
// The time within which this share of the calls was answered, by the bounds of `buckets`: "up to 5 ms". Empty without
// calls.
std::string Quantile(const google::protobuf::RepeatedPtrField<v1::Totals::Bucket>& buckets, double share);

// Parts, each of whole lines.
std::string StatusText(const v1::GetStatusResponse& status, absl::Time now);
std::string CallsText(const v1::ListCallsResponse& calls);
std::string StatementsText(const v1::ListStatementsResponse& statements);
std::string ErrorsText(const v1::GetStatusResponse& status, absl::Time now);
// Calls and flights of a second, and latencies, between two snapshots of one gateway; since its start if there is no
// earlier one, or another process has answered since.
std::string RatesText(const std::optional<Snapshot>& before, const Snapshot& now);

// All of it.
std::string TopText(const std::optional<Snapshot>& before, const Snapshot& now);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_STATUS_TEXT_H_
