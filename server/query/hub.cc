#include "server/query/hub.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/postgres/sqlstate.h"

namespace sluice::query {
namespace {

// How long an answer of the database may take.
absl::Time Patience() { return absl::Now() + absl::Seconds(5); }

}  // namespace

Hub::Hub(const Options& options, observe::Observer* observer)
    : options_(options), observer_(*observer), connection_(options.connection) {
  connection_.closing = &closing_;
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

int Hub::subscribers() const {
  MutexLock lock(&mu_);
  return subscribers_;
}

void Hub::Adjust(const postgres::Connection::Options& connection) {
  {
    MutexLock lock(&mu_);
    new_connection_ = connection;
  }
  wake_.Raise();
}

void Hub::Reset() {
  {
    MutexLock lock(&mu_);
    is_reset_ = true;
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
  EndAll();
}

// Until somebody listens, and it is time for another attempt; false at the end.
bool Hub::AwaitDemand() {
  while (TakeChanges()) {
    if (TakeChangesOfConnection()) try_at_ = absl::InfinitePast();
    const absl::Time now = absl::Now();
    if (now < try_at_) roster_.RefuseNewcomers(refusal_);
    if (now >= try_at_ && !roster_.empty()) return true;
    wake_.Await(now < try_at_ ? try_at_ : absl::InfiniteFuture());
  }
  return false;
}

std::unique_ptr<postgres::Listener> Hub::Connect() {
  const absl::Time begin = absl::Now();
  postgres::Connection::OpenFailure failure;
  std::unique_ptr<postgres::Listener> listener = postgres::Listener::Open(connection_, &failure);
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
  absl::Time prove_at = absl::Now() + options_.heartbeat;
  absl::Time wanted_at = absl::Now();
  while (TakeChanges()) {
    if (TakeChangesOfConnection()) return OnLost("it is replaced: another login, or a reset");
    if (!PutInForce(listener)) return OnLost(listener->error().message);
    Deliver(listener);
    if (!roster_.empty()) wanted_at = absl::Now();
    if (absl::Now() >= wanted_at + options_.idle_max) return;
    if (absl::Now() >= prove_at) {
      if (!listener->Prove(Patience())) return OnLost(listener->error().message);
      OnProven();
      prove_at = good_at_ + options_.heartbeat;
      roster_.BeginHeartbeat();
      continue;
    }
    roster_.SendHeartbeats();
    const absl::Time until = roster_.has_heartbeats_to_send() ? absl::InfinitePast() : prove_at;
    if (!listener->Await(until, wake_)) return OnLost(listener->error().message);
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
  for (std::shared_ptr<Subscriber>& subscriber : joining) {
    Subscriber* const newcomer = subscriber.get();
    roster_.Add(std::move(subscriber));
    if (roster_.channel_count() <= options_.channels_max) continue;
    newcomer->End(
        errors::GatewayOverloaded("as many channels are listened to as this gateway takes", absl::Seconds(1)));
    roster_.Remove(newcomer);
  }
  for (const std::shared_ptr<Subscriber>& subscriber : leaving) roster_.Remove(subscriber.get());
  return true;
}

bool Hub::TakeChangesOfConnection() {
  MutexLock lock(&mu_);
  bool replaces = std::exchange(is_reset_, false);
  if (std::optional<postgres::Connection::Options> connection = std::exchange(new_connection_, std::nullopt)) {
    replaces |= connection->parameters != connection_.parameters;
    connection_ = *std::move(connection);
    connection_.closing = &closing_;
  }
  return replaces;
}

// LISTEN for what is wanted, and UNLISTEN for what is not; then whoever waited for it is ready. False if the session is
// lost.
bool Hub::PutInForce(postgres::Listener* listener) {
  const Roster::Changes changes = roster_.TakeChanges();
  if (!changes.empty() && !Change(listener, changes.listen, changes.unlisten)) {
    if (listener->is_lost()) return false;
    if (!Change(listener, {}, changes.unlisten) || !ListenOneByOne(listener, changes.listen)) return false;
  }
  roster_.TellReady();
  return true;
}

bool Hub::Change(postgres::Listener* listener, const std::vector<std::string>& listen,
                 const std::vector<std::string>& unlisten) {
  if (!listener->Change(listen, unlisten, Patience())) return false;
  OnProven();
  roster_.PutInForce(listen);
  // What came before is of those who were ready.
  Deliver(listener);
  return true;
}

// PostgreSQL will not listen to one of them (its name has no form in the database's encoding): only who wants
// that one shall hear of it.
bool Hub::ListenOneByOne(postgres::Listener* listener, const std::vector<std::string>& channels) {
  for (const std::string& name : channels) {
    // Unless whoever wanted it was refused for another one.
    if (!roster_.IsWanted(name) || Change(listener, {name}, {})) continue;
    if (listener->is_lost()) return false;
    roster_.Refuse(name, postgres::FromServerError(listener->error(), v1::OUTCOME_ROLLED_BACK, /*is_verdict=*/true,
                                                   /*position=*/0));
  }
  return true;
}

void Hub::Deliver(postgres::Listener* listener) {
  const std::vector<postgres::Notification> notifications = listener->Take();
  if (notifications.empty()) return;
  OnProven();
  observer_.Record(observe::NotificationsCame{static_cast<int64_t>(notifications.size())});
  for (const postgres::Notification& notification : notifications) roster_.Deliver(notification, good_at_);
}

void Hub::OnProven() {
  good_at_ = absl::Now();
  is_proven_ = true;
  failures_ = 0;
  try_at_ = absl::InfinitePast();
}

void Hub::OnLost(const std::string& why) {
  observer_.Record(observe::ListenerLost{why, /*makes_gap=*/!roster_.empty()});
  roster_.OnLost(good_at_);
  // One that can not do anything is as none.
  if (!is_proven_) OnFailed(why, /*will_not_pass=*/false);
}

void Hub::OnNotConnected(const postgres::Connection::OpenFailure& failure) {
  observer_.Record(observe::ListenerLost{failure.error.message});
  OnFailed(failure.error.message,
           failure.fate == postgres::Fate::kBadCredentials || failure.fate == postgres::Fate::kMisconfigured);
}

// Whoever had notifications waits for them to come again; who had none hears what is wrong. `will_not_pass`: until
// somebody changes a setting.
void Hub::OnFailed(const std::string& why, bool will_not_pass) {
  constexpr absl::Duration kBackoffMax = absl::Seconds(5);
  // A pooler may lock out whoever fails to log in too often.
  constexpr absl::Duration kBackoffOfCredentials = absl::Seconds(15);
  const absl::Duration backoff = std::min(kBackoffMax, absl::Milliseconds(100) * (1 << std::min(failures_++, 6)));
  try_at_ = absl::Now() + (will_not_pass ? kBackoffOfCredentials : backoff);
  refusal_ = errors::BackendUnreachable(absl::StrCat("listen_url: ", why),
                                        will_not_pass ? std::nullopt : std::make_optional(absl::Seconds(1)));
  roster_.RefuseNewcomers(refusal_);
}

void Hub::EndAll() {
  const absl::Status draining = errors::Draining();
  std::vector<std::shared_ptr<Subscriber>> joining;
  {
    MutexLock lock(&mu_);
    joining.swap(joining_);
    leaving_.clear();
  }
  for (const std::shared_ptr<Subscriber>& subscriber : joining) subscriber->End(draining);
  roster_.EndAll(draining);
}

}  // namespace sluice::query
