#include "client/cpp/connection.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/channel.h"
#include "client/cpp/error.h"
#include "server/base/status_macros.h"

namespace sluice::client {
namespace {

// How long to wait before another try; nullopt if there must be none.
std::optional<absl::Duration> RetryDelay(const absl::Status& status, bool may_repeat, int tries) {
  const ErrorFacts facts = FactsOf(status);
  // Even where the gateway says "at once": another gateway has to be found first.
  absl::Duration delay = absl::Milliseconds(20);
  if (!IsFromGateway(status)) {
    // The transport's word: the gateway may have done the work, and not come to say so. CANCELLED,
    // too: we cancel nothing, but a gateway that ends does.
    const bool lost = status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kCancelled;
    if (!may_repeat || !lost) return std::nullopt;
  } else {
    const bool undone = facts.outcome == v1::OUTCOME_NOT_STARTED || facts.outcome == v1::OUTCOME_ROLLED_BACK;
    if (!facts.retry_after.has_value() || !(undone || may_repeat)) return std::nullopt;
    delay = std::max(delay, *facts.retry_after);
  }
  // Those that were refused together do not come back together.
  static thread_local absl::BitGen random;
  return delay * (1 << std::min(tries, 6)) * absl::Uniform(random, 0.75, 1.25);
}

}  // namespace

v1::CallOptions ToProto(const CallOptions& options) {
  v1::CallOptions proto;
  proto.set_read_only(options.read_only);
  proto.set_alone(options.alone);
  proto.set_request_id(options.request_id);
  proto.set_priority(options.priority);
  proto.set_tag(options.tag);
  if (options.identity.has_value()) *proto.mutable_identity() = *options.identity;
  *proto.mutable_result() = options.result;
  return proto;
}

absl::StatusOr<std::shared_ptr<const Connection>> Connection::Open(const Database::Options& options) {
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, OpenChannel(options));
  auto connection = std::make_shared<Connection>();
  connection->database_ = v1::Database::NewStub(channel);
  connection->health_ = grpc::health::v1::Health::NewStub(channel);
  if (!options.token.empty()) connection->authorization_ = absl::StrCat("Bearer ", options.token);
  connection->has_many_gateways_ = NamesManyGateways(options.target);
  connection->retries_max_ = options.retries_max;
  return connection;
}

void Connection::Prepare(absl::Time deadline, grpc::ClientContext* context) const {
  context->set_deadline(absl::ToChronoTime(deadline));
  // One of several that is gone comes back, or another one does.
  context->set_wait_for_ready(has_many_gateways_);
  if (!authorization_.empty()) context->AddMetadata("authorization", authorization_);
}

bool Connection::MayBeDone(const absl::Status& status) { return OutcomeOf(status) == v1::OUTCOME_UNKNOWN; }

absl::Status Connection::Told(const absl::Status& status, bool may_be_done) {
  if (status.ok() || !may_be_done || OutcomeOf(status) == v1::OUTCOME_UNKNOWN) return status;
  if (!IsFromGateway(status)) {
    // (OutcomeOf goes by what gRPC says first.)
    return absl::Status(status.code(), absl::StrCat("an earlier try may have been done; ", status.message()));
  }
  const ErrorFacts facts = FactsOf(status);
  // A verdict on the work says that it had not been done before; that this try has come to nothing does not.
  const bool is_of_this_try = facts.outcome == v1::OUTCOME_NOT_STARTED || facts.retry_after.has_value();
  return is_of_this_try ? PerhapsDoneBefore(status) : status;
}

bool Connection::WaitToTryAgain(const absl::Status& status, bool may_repeat, int tries, absl::Time deadline) const {
  if (tries == retries_max_) return false;
  const std::optional<absl::Duration> delay = RetryDelay(status, may_repeat, tries);
  if (!delay.has_value() || absl::Now() + *delay >= deadline) return false;
  absl::SleepFor(*delay);
  return true;
}

}  // namespace sluice::client
