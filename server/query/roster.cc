#include "server/query/roster.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

#include "absl/time/clock.h"
#include "server/base/utf8.h"

namespace sluice::query {
namespace {

google::protobuf::Duration ToProto(absl::Duration duration) {
  return google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(duration));
}

EventBytes Bytes(const v1::ListenResponse& event) {
  return std::make_shared<const std::string>(event.SerializeAsString());
}

}  // namespace

void Roster::Add(std::shared_ptr<Subscriber> subscriber) {
  Subscriber* const key = subscriber.get();
  members_[key].subscriber = std::move(subscriber);
  someone_is_not_ready_ = true;
  for (const std::string& name : key->channels()) {
    Channel& channel = channels_[name];
    channel.subscribers.insert(key);
    if (!channel.in_force) to_listen_.insert(name);
    to_unlisten_.erase(name);
  }
}

void Roster::Remove(Subscriber* subscriber) {
  auto member = members_.find(subscriber);
  if (member == members_.end()) return;
  for (const std::string& name : subscriber->channels()) {
    auto channel = channels_.find(name);
    if (channel == channels_.end()) continue;
    channel->second.subscribers.erase(subscriber);
    if (!channel->second.subscribers.empty()) continue;
    if (channel->second.in_force) to_unlisten_.insert(name);
    to_listen_.erase(name);
    channels_.erase(channel);
  }
  members_.erase(member);
}

Roster::Changes Roster::TakeChanges() {
  Changes changes;
  changes.listen.assign(to_listen_.begin(), to_listen_.end());
  changes.unlisten.assign(to_unlisten_.begin(), to_unlisten_.end());
  to_listen_.clear();
  to_unlisten_.clear();
  return changes;
}

void Roster::PutInForce(const std::vector<std::string>& channels) {
  for (const std::string& name : channels) channels_[name].in_force = true;
}

void Roster::TellReady() {
  if (!someone_is_not_ready_) return;
  v1::ListenResponse first;
  first.mutable_ready();
  const EventBytes first_bytes = Bytes(first);
  for (auto& [key, member] : members_) {
    if (member.is_ready) continue;
    if (!member.was_ready()) {
      member.subscriber->Deliver(first_bytes);
    } else {
      v1::ListenResponse again;
      *again.mutable_ready()->mutable_gap() = ToProto(absl::Now() - member.missing_since);
      member.subscriber->Deliver(Bytes(again));
    }
    member.is_ready = true;
    member.missing_since = absl::InfinitePast();  // until it is lost
  }
  someone_is_not_ready_ = false;
}

void Roster::OnLost(absl::Time good_at) {
  v1::ListenResponse gap;
  *gap.mutable_gap()->mutable_length() = ToProto(absl::Now() - good_at);
  DeliverToReady(gap);
  for (auto& [key, member] : members_) {
    if (member.is_ready) member.missing_since = good_at;
    member.is_ready = false;
  }
  someone_is_not_ready_ = true;
  to_unlisten_.clear();
  for (auto& [name, channel] : channels_) {
    channel.in_force = false;
    to_listen_.insert(name);
  }
  heartbeats_.clear();
}

void Roster::Deliver(const postgres::Notification& notification, absl::Time received_at) {
  auto channel = channels_.find(notification.channel);
  if (channel == channels_.end()) return;
  v1::ListenResponse event;
  v1::ListenResponse::Notification* out = event.mutable_notification();
  // A database in SQL_ASCII has whatever was put into it.
  out->set_channel(WithoutInvalidUtf8(notification.channel));
  out->set_payload(WithoutInvalidUtf8(notification.payload));
  out->set_backend_pid(notification.backend_pid);
  *out->mutable_received_at() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(received_at));
  const EventBytes bytes = Bytes(event);
  for (Subscriber* subscriber : channel->second.subscribers) {
    if (members_[subscriber].is_ready) subscriber->Deliver(bytes);
  }
}

void Roster::DeliverToReady(const v1::ListenResponse& event) const {
  const EventBytes bytes = Bytes(event);
  for (const auto& [key, member] : members_) {
    if (member.is_ready) key->Deliver(bytes);
  }
}

void Roster::BeginHeartbeat() {
  if (!heartbeats_.empty()) return;
  for (const auto& [key, member] : members_) heartbeats_.push_back(key);
}

void Roster::SendHeartbeats() {
  constexpr int kAtOnce = 100;
  static const EventBytes& heartbeat = *new EventBytes([] {
    v1::ListenResponse event;
    event.mutable_heartbeat();
    return Bytes(event);
  }());
  for (int i = 0; i < kAtOnce && !heartbeats_.empty(); ++i) {
    auto member = members_.find(heartbeats_.back());
    heartbeats_.pop_back();
    if (member != members_.end() && member->second.is_ready) member->first->Deliver(heartbeat);
  }
}

void Roster::Refuse(const std::string& channel, const absl::Status& status) {
  auto found = channels_.find(channel);
  if (found == channels_.end()) return;
  End(std::vector<Subscriber*>(found->second.subscribers.begin(), found->second.subscribers.end()), status);
}

void Roster::RefuseNewcomers(const absl::Status& status) {
  std::vector<Subscriber*> newcomers;
  for (const auto& [key, member] : members_) {
    if (!member.was_ready()) newcomers.push_back(key);
  }
  End(newcomers, status);
}

void Roster::EndAll(const absl::Status& status) {
  std::vector<Subscriber*> all;
  for (const auto& [key, member] : members_) all.push_back(key);
  End(all, status);
}

void Roster::End(const std::vector<Subscriber*>& subscribers, const absl::Status& status) {
  for (Subscriber* subscriber : subscribers) {
    subscriber->End(status);
    Remove(subscriber);
  }
}

}  // namespace sluice::query
