#ifndef SLUICE_SERVER_QUERY_COPY_IN_H_
#define SLUICE_SERVER_QUERY_COPY_IN_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/auth/caller.h"
#include "server/codec/copy_rows.h"
#include "server/query/conversation.h"
#include "server/query/plan.h"
#include "server/query/turn.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

// COPY ... FROM STDIN of what a client sends. Committed only when the client has said that it was all.
class CopyIn {
 public:
  // Errors of the header's fields, and of the caller's permissions.
  static absl::StatusOr<CopyIn> Of(const v1::CopyInRequest::Header& header, const auth::Caller& caller,
                                   const Limits& limits);

  TurnEnd Run(Turn* turn, RequestStream* requests, v1::CopyInResponse* response) const;

  const std::string& command() const { return plan_.statements[0].bound.text; }
  size_t bytes() const { return plan_.bytes(); }
  admission::Priority priority() const { return plan_.priority; }

 private:
  explicit CopyIn(Plan plan) : plan_(std::move(plan)) {}

  Plan plan_;
  // "events", as PostgreSQL names it in the context of an error.
  std::string table_;
  // Of typed rows.
  std::optional<codec::CopyRowWriter> writer_;
  absl::Duration silence_max_;
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_COPY_IN_H_
