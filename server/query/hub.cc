#include "server/query/hub.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/base/utf8.h"
#include "server/postgres/sqlstate.h"

namespace sluice::query {
namespace {

google::protobuf::Duration ToProto(absl::Duration duration) {
  return google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(duration));
}

EventBytes Bytes(const v1::ListenResponse& event) {
  return std::make_shared<const std::string>(event.SerializeAsString());
}

// How long an answer of the database may take.
absl::Time Patience() { return absl::Now() + absl::Seconds(5); }

}  // namespace

Hub::Hub(const Options& options, observe::Observer* observer) : options_(options), observer_(*observer) {
  options_.connection.closing = &closing_;
  thread_ = std::thread([this] { Run(); });
}

Hub::~Hub() {
  Close();
  thread_.join();
}

absl::Status Hub::Join(std::shared_ptr<Subscriber> subscriber) {
  {
    MutexLock lock(&mu_);
    if (closed_) return errors::Draining();
    int& of_caller = subscribers_of_caller_[subscriber->caller()];
    if (subscribers_ >= options_.subscribers_max || of_caller >= options_.subscribers_per_caller_max) {
      return errors::GatewayOverloaded("as many listen as this gateway takes, or takes of one caller",
                                       absl::Seconds(1));
    }
    ++subscribers_;
    ++of_caller;
    joining_.push_back(std::move(subscriber));
  }
  wake_.Raise();
  return absl::OkStatus();
}

void Hub::Leave(const std::shared_ptr<Subscriber>& subscriber) {
  {
    MutexLock lock(&mu_);
    leaving_.push_back(subscriber);
    --subscribers_;
    auto of_caller = subscribers_of_caller_.find(subscriber->caller());
    if (--of_caller->second == 0) subscribers_of_caller_.erase(of_caller);
  }
  wake_.Raise();
}

void Hub::Close() {
  {
    MutexLock lock(&mu_);
    closed_ = true;
  }
  closing_ = true;
  wake_.Raise();
}

void Hub::Run() {
  while (AwaitDemand()) {
    const std::unique_ptr<postgres::Listener> listener = Connect();
    if (listener != nullptr) Serve(listener.get());
  }
  EndAll(errors::Draining());
}

// Until somebody listens, and it is time for another attempt; false at the end.
bool Hub::AwaitDemand() {
  while (TakeChanges()) {
    const absl::Time now = absl::Now();
    if (now < try_at_) RefuseNewcomers();
    if (now >= try_at_ && !members_.empty()) return true;
    wake_.Await(now < try_at_ ? try_at_ : absl::InfiniteFuture());
  }
  return false;
}

std::unique_ptr<postgres::Listener> Hub::Connect() {
  const absl::Time begin = absl::Now();
  postgres::Connection::OpenFailure failure;
  std::unique_ptr<postgres::Listener> listener = postgres::Listener::Open(options_.connection, &failure);
  if (listener == nullptr) {
    OnNotConnected(failure);
    return nullptr;
  }
  is_proven_ = false;
  observer_.Record(observe::ListenerOpened{listener->server_version(), listener->behind_pooler(), absl::Now() - begin});
  return listener;
}

// Until it is lost, or nobody has wanted it for a while.
void Hub::Serve(postgres::Listener* listener) {
  for (auto& [name, channel] : channels_) to_listen_.insert(name);
  heartbeats_.clear();
  absl::Time prove_at = absl::Now() + options_.heartbeat;
  absl::Time wanted_at = absl::Now();
  while (TakeChanges()) {
    if (!PutInForce(listener)) return OnLost(listener->error());
    Deliver(listener->Take());
    if (!members_.empty()) wanted_at = absl::Now();
    if (absl::Now() >= wanted_at + options_.idle_max) return;
    if (absl::Now() >= prove_at) {
      if (!listener->Prove(Patience())) return OnLost(listener->error());
      OnProven();
      prove_at = good_at_ + options_.heartbeat;
      // Unless some still wait for the last one.
      if (heartbeats_.empty()) {
        for (const auto& [key, member] : members_) heartbeats_.push_back(key);
      }
      continue;
    }
    SendHeartbeats();
    const bool is_done = heartbeats_.empty();
    if (!listener->Await(is_done ? prove_at : absl::InfinitePast(), wake_)) return OnLost(listener->error());
  }
}

// Some of them: ten thousand at once would hold up notifications for 200 ms.
void Hub::SendHeartbeats() {
  constexpr int kAtOnce = 100;
  static const EventBytes& heartbeat = *new EventBytes([] {
    v1::ListenResponse event;
    event.mutable_heartbeat();
    return Bytes(event);
  }());
  for (int i = 0; i < kAtOnce && !heartbeats_.empty(); ++i) {
    auto member = members_.find(heartbeats_.back());
    heartbeats_.pop_back();
    if (member != members_.end() && member->second.is_ready) member->second.subscriber->Deliver(heartbeat);
  }
}

// Who has come, and who has gone; false at the end.
bool Hub::TakeChanges() {
  std::vector<std::shared_ptr<Subscriber>> joining, leaving;
  wake_.Clear();
  {
    MutexLock lock(&mu_);
    if (closed_) return false;
    joining.swap(joining_);
    leaving.swap(leaving_);
  }
  for (std::shared_ptr<Subscriber>& subscriber : joining) Add(std::move(subscriber));
  for (const std::shared_ptr<Subscriber>& subscriber : leaving) Remove(subscriber.get());
  return true;
}

void Hub::Add(std::shared_ptr<Subscriber> subscriber) {
  Subscriber* const key = subscriber.get();
  members_[key].subscriber = std::move(subscriber);
  someone_is_not_ready_ = true;
  for (const std::string& name : key->channels()) {
    Channel& channel = channels_[name];
    channel.subscribers.insert(key);
    if (!channel.in_force) to_listen_.insert(name);
    to_unlisten_.erase(name);
  }
  if (channels_.size() <= options_.channels_max) return;
  key->End(errors::GatewayOverloaded("as many channels are listened to as this gateway takes", absl::Seconds(1)));
  Remove(key);
}

void Hub::Remove(Subscriber* subscriber) {
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

// LISTEN for what is wanted, and UNLISTEN for what is not; then whoever waited for it is ready. False if the session is
// lost.
bool Hub::PutInForce(postgres::Listener* listener) {
  if (!to_listen_.empty() || !to_unlisten_.empty()) {
    const std::vector<std::string> listen(to_listen_.begin(), to_listen_.end());
    const std::vector<std::string> unlisten(to_unlisten_.begin(), to_unlisten_.end());
    to_listen_.clear();
    to_unlisten_.clear();
    if (!Change(listener, listen, unlisten) &&
        (listener->is_lost() || !Change(listener, {}, unlisten) || !ListenOneByOne(listener, listen))) {
      return false;
    }
  }
  if (someone_is_not_ready_) TellReady();
  return true;
}

bool Hub::Change(postgres::Listener* listener, const std::vector<std::string>& listen,
                 const std::vector<std::string>& unlisten) {
  if (!listener->Change(listen, unlisten, Patience())) return false;
  OnProven();
  for (const std::string& name : listen) channels_[name].in_force = true;
  // What came before is of those who were ready.
  Deliver(listener->Take());
  return true;
}

// PostgreSQL will not listen to one of them (its name has no form in the database's encoding): only who wants
// that one shall hear of it.
bool Hub::ListenOneByOne(postgres::Listener* listener, const std::vector<std::string>& channels) {
  for (const std::string& name : channels) {
    // Unless whoever wanted it was refused for another one.
    if (channels_.find(name) == channels_.end() || Change(listener, {name}, {})) continue;
    if (listener->is_lost()) return false;
    RefuseChannel(name, listener->error());
  }
  return true;
}

void Hub::RefuseChannel(const std::string& channel, const postgres::ServerError& error) {
  auto found = channels_.find(channel);
  if (found == channels_.end()) return;
  const std::vector<Subscriber*> refused(found->second.subscribers.begin(), found->second.subscribers.end());
  const absl::Status status =
      postgres::FromServerError(error, v1::OUTCOME_ROLLED_BACK, /*is_verdict=*/true, /*position=*/0);
  for (Subscriber* subscriber : refused) {
    subscriber->End(status);
    Remove(subscriber);
  }
}

void Hub::OnProven() {
  good_at_ = absl::Now();
  is_proven_ = true;
  failures_ = 0;
  try_at_ = absl::InfinitePast();
}

void Hub::TellReady() {
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
    member.missing_since = absl::InfinitePast();  // was_ready(), and set when it is lost
  }
  someone_is_not_ready_ = false;
}

void Hub::Deliver(const std::vector<postgres::Notification>& notifications) {
  if (notifications.empty()) return;
  OnProven();
  for (const postgres::Notification& notification : notifications) {
    auto channel = channels_.find(notification.channel);
    if (channel == channels_.end()) continue;
    v1::ListenResponse event;
    v1::ListenResponse::Notification* out = event.mutable_notification();
    // A database in SQL_ASCII has whatever was put into it.
    out->set_channel(WithoutInvalidUtf8(notification.channel));
    out->set_payload(WithoutInvalidUtf8(notification.payload));
    out->set_backend_pid(notification.backend_pid);
    *out->mutable_received_at() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(good_at_));
    const EventBytes bytes = Bytes(event);
    for (Subscriber* subscriber : channel->second.subscribers) {
      const Member& member = members_[subscriber];
      if (member.is_ready) member.subscriber->Deliver(bytes);
    }
  }
}

void Hub::DeliverToReady(const v1::ListenResponse& event) {
  const EventBytes bytes = Bytes(event);
  for (const auto& [key, member] : members_) {
    if (member.is_ready) member.subscriber->Deliver(bytes);
  }
}

void Hub::OnLost(const postgres::ServerError& error) {
  observer_.Record(observe::ListenerLost{error.message});
  v1::ListenResponse gap;
  *gap.mutable_gap()->mutable_length() = ToProto(absl::Now() - good_at_);
  DeliverToReady(gap);
  for (auto& [key, member] : members_) {
    if (member.is_ready) member.missing_since = good_at_;
    member.is_ready = false;
  }
  for (auto& [name, channel] : channels_) channel.in_force = false;
  to_unlisten_.clear();
  someone_is_not_ready_ = true;
  // One that can not do anything is as none.
  if (!is_proven_) OnFailed(error.message, /*will_not_pass=*/false);
}

void Hub::OnNotConnected(const postgres::Connection::OpenFailure& failure) {
  observer_.Record(observe::ListenerLost{failure.error.message});
  OnFailed(failure.error.message,
           failure.fate == postgres::Fate::kBadCredentials || failure.fate == postgres::Fate::kMisconfigured);
}

// `will_not_pass`: until somebody changes a setting.
void Hub::OnFailed(const std::string& why, bool will_not_pass) {
  constexpr absl::Duration kBackoffMax = absl::Seconds(5);
  // A pooler may lock out whoever fails to log in too often.
  constexpr absl::Duration kBackoffOfCredentials = absl::Seconds(15);
  const absl::Duration backoff = std::min(kBackoffMax, absl::Milliseconds(100) * (1 << std::min(failures_++, 6)));
  try_at_ = absl::Now() + (will_not_pass ? kBackoffOfCredentials : backoff);
  refusal_ = errors::BackendUnreachable(absl::StrCat("listen_url: ", why),
                                        will_not_pass ? std::nullopt : std::make_optional(absl::Seconds(1)));
  RefuseNewcomers();
}

// Whoever had notifications waits for them to come again; who had none hears what is wrong.
void Hub::RefuseNewcomers() {
  std::vector<std::shared_ptr<Subscriber>> newcomers;
  for (const auto& [key, member] : members_) {
    if (!member.was_ready()) newcomers.push_back(member.subscriber);
  }
  for (const std::shared_ptr<Subscriber>& newcomer : newcomers) {
    newcomer->End(refusal_);
    Remove(newcomer.get());
  }
}

void Hub::EndAll(const absl::Status& status) {
  std::vector<std::shared_ptr<Subscriber>> joining;
  {
    MutexLock lock(&mu_);
    joining.swap(joining_);
    leaving_.clear();
  }
  for (const std::shared_ptr<Subscriber>& subscriber : joining) subscriber->End(status);
  for (const auto& [key, member] : members_) member.subscriber->End(status);
  members_.clear();
  channels_.clear();
}

}  // namespace sluice::query
