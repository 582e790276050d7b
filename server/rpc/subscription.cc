#include "server/rpc/subscription.h"

#include <grpc/slice.h>
#include <grpcpp/support/slice.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/rpc/grpc_status.h"
#include "server/sql/name.h"

namespace sluice::rpc {
namespace {

// Weight that may wait for one client: that very many which do not read can not fill the memory, the less the more
// waits for all.
int64_t WeightMax(int64_t waiting_for_all) {
  constexpr int64_t kMebi = 1 << 20;
  return waiting_for_all < 256 * kMebi ? 32 * kMebi : waiting_for_all < 512 * kMebi ? 4 * kMebi : kMebi / 4;
}

const std::shared_ptr<std::atomic<int64_t>>& WaitingForAll() {
  static const auto& waiting = *new std::shared_ptr<std::atomic<int64_t>>(std::make_shared<std::atomic<int64_t>>(0));
  return waiting;
}

// The bytes themselves, which all who get them share.
grpc::ByteBuffer Share(const query::EventBytes& event) {
  auto* owner = new query::EventBytes(event);
  const grpc_slice raw = grpc_slice_new_with_user_data(
      const_cast<char*>(event->data()), event->size(),
      [](void* owner) { delete static_cast<query::EventBytes*>(owner); }, owner);
  const grpc::Slice slice(raw, grpc::Slice::STEAL_REF);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ChannelsOf(const v1::ListenRequest& request) {
  constexpr int kChannelsMax = 100;
  if (request.channels().empty()) return errors::InvalidField("channels", "there is none to listen to");
  if (request.channels_size() > kChannelsMax) {
    return errors::RequestTooLarge("channels", kChannelsMax, request.channels_size(), "channels");
  }
  std::vector<std::string> channels;
  for (const std::string& name : request.channels()) {
    RETURN_IF_ERROR(sql::CheckName(name, absl::StrCat("channels[", channels.size(), "]")));
    channels.push_back(name);
  }
  std::sort(channels.begin(), channels.end());
  channels.erase(std::unique(channels.begin(), channels.end()), channels.end());
  return channels;
}

Subscription::Subscription(Facts facts, std::shared_ptr<Outgoing> outgoing, query::Hub* hub,
                           observe::Observer* observer)
    : facts_(std::move(facts)), outgoing_(std::move(outgoing)), hub_(*hub), observer_(*observer) {
  outgoing_->CountIn(WaitingForAll());
}

void Subscription::Start() {
  {
    MutexLock lock(&mu_);
    joined_ = true;
  }
  const absl::Status joined = hub_.Join(shared_from_this());
  if (joined.ok()) return;
  {
    MutexLock lock(&mu_);
    joined_ = false;
  }
  End(joined);
}

void Subscription::OnCancel() { End(errors::Cancelled(v1::OUTCOME_NOT_STARTED)); }

void Subscription::Deliver(const query::EventBytes& event) {
  const int64_t weight_max = WeightMax(*WaitingForAll());
  switch (outgoing_->Post(Share(event), weight_max)) {
    case Outgoing::Posted::kYes: return;
    case Outgoing::Posted::kFull: return End(errors::SubscriberTooSlow(weight_max));
    // Its end is told by who ended it.
    case Outgoing::Posted::kOver: return;
  }
}

void Subscription::End(const absl::Status& status) {
  bool leaves = false;
  {
    MutexLock lock(&mu_);
    if (ended_) return;
    ended_ = true;
    leaves = joined_;
  }
  if (leaves) hub_.Leave(shared_from_this());
  observe::CallFinished event;
  event.method = "Listen";
  event.caller = facts_.caller;
  event.status = status;
  observer_.Record(event);
  // What waits for one who is too slow is behind what it has missed.
  outgoing_->Finish(ToGrpcStatus(status), /*drops_waiting=*/ReasonOf(status) == "SUBSCRIBER_TOO_SLOW");
}

}  // namespace sluice::rpc
