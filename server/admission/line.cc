#include "server/admission/line.h"

#include <algorithm>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"

namespace sluice::admission {
namespace {

// A full Line of 10,000 empties in about this time at 10,000 calls a second.
constexpr absl::Duration kRetryAfter = absl::Seconds(1);

}  // namespace

Line::Line(const Options& options) : options_(options), overdue_([this] { RefuseOverdue(); }) {}

void Line::Adjust(const Options& options) {
  Wakes wakes;
  std::vector<WaiterPtr> refused;
  {
    MutexLock lock(&mu_);
    options_ = options;
    wakes = WakesForMore();
    std::vector<const Waiter*> held;
    for (const auto& [deadline, waiter] : deadlines_) {
      if (!MayWait(*waiter)) held.push_back(waiter);
    }
    for (const Waiter* waiter : held) refused.push_back(Extract(waiter));
  }
  Wake(wakes);
  for (const WaiterPtr& waiter : refused) waiter->Refuse(errors::HeldCallsOff());
}

Line::~Line() {
  Close();
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  deadline_.NotifyAll();
  overdue_.join();
  RefuseAll(errors::Draining());
}

absl::Status Line::Join(WaiterPtr waiter) {
  Wakes wakes;
  WaiterPtr shed;
  {
    MutexLock lock(&mu_);
    if (closed_) return errors::Draining();
    if (!bar_.ok()) return bar_;
    if (!MayWait(*waiter)) return errors::HeldCallsOff();
    absl::Status full = WhyFull(*waiter);
    if (!full.ok()) {
      if ((shed = Extract(LastBehind(*waiter))) != nullptr) full = WhyFull(*waiter);
      // It would still not fit: back to the end, where it was.
      if (!full.ok() && shed != nullptr) Insert(std::move(shed), /*at_head=*/false);
      if (!full.ok()) return full;
    }
    wakes = Insert(std::move(waiter), /*at_head=*/false);
  }
  Wake(wakes);
  if (shed != nullptr)
    shed->Refuse(errors::GatewayOverloaded("the line is full, and this was its caller's last", kRetryAfter));
  return absl::OkStatus();
}

// Of the same caller: the last short call of the lowest priority, else the last held one, if that is lower than its
// own.
const Waiter* Line::LastBehind(const Waiter& waiter) const {
  for (size_t priority = kPriorities - 1; priority > static_cast<size_t>(waiter.priority()); --priority) {
    for (const Track* track : {&short_, &held_}) {
      const auto own = track->queues.find(waiter.caller());
      if (own == track->queues.end() || own->second.waiters[priority].empty()) continue;
      return own->second.waiters[priority].back().get();
    }
  }
  return nullptr;
}

size_t Line::Queue::length() const {
  size_t sum = 0;
  for (const std::list<WaiterPtr>& of_one_priority : waiters) sum += of_one_priority.size();
  return sum;
}

const WaiterPtr& Line::Queue::first() const {
  size_t priority = 0;
  while (waiters[priority].empty()) ++priority;
  return waiters[priority].front();
}

absl::Status Line::WhyFull(const Waiter& waiter) const {
  if (places_.size() >= options_.length_max) {
    return errors::GatewayOverloaded(absl::StrCat("the line is full: ", options_.length_max, " calls wait"),
                                     kRetryAfter);
  }
  if (bytes_ + waiter.bytes() > options_.bytes_max) {
    return errors::GatewayOverloaded(absl::StrCat("the line is full: its calls hold ", bytes_, " bytes"), kRetryAfter);
  }
  size_t length = 0, bytes = 0;
  for (const Track* track : {&short_, &held_}) {
    const auto own = track->queues.find(waiter.caller());
    if (own == track->queues.end()) continue;
    length += own->second.length();
    bytes += own->second.bytes;
  }
  if (length < options_.length_per_caller_max && bytes + waiter.bytes() <= options_.bytes_per_caller_max) {
    return absl::OkStatus();
  }
  return errors::GatewayOverloaded(
      absl::StrCat("caller ", waiter.caller(), " has its share of the line: ", length, " calls of ", bytes, " bytes"),
      kRetryAfter);
}

Line::Track& Line::TrackOf(const Waiter& waiter) { return waiter.lane() == Lane::kHeld ? held_ : short_; }

size_t Line::ready() const {
  return short_.length + std::min(held_.length, held_max() - std::min(held_max(), held_in_service_));
}

// Where none may be held, a held call would wait for its deadline.
bool Line::MayWait(const Waiter& waiter) const { return options_.held_max > 0 || waiter.lane() != Lane::kHeld; }

void Line::Rejoin(std::vector<WaiterPtr> waiters) {
  absl::Status refusal;
  std::vector<Wakes> wakes;
  {
    MutexLock lock(&mu_);
    refusal = closed_ ? errors::Draining() : bar_;
    // (A held call comes alone.)
    if (refusal.ok() && !waiters.empty() && !MayWait(*waiters[0])) refusal = errors::HeldCallsOff();
    // The last one first, so that the first one is at the head.
    for (auto waiter = waiters.rbegin(); refusal.ok() && waiter != waiters.rend(); ++waiter) {
      wakes.push_back(Insert(*waiter, /*at_head=*/true));
    }
  }
  for (const Wakes& wake : wakes) Wake(wake);
  for (const WaiterPtr& waiter : waiters) refusal.ok() ? waiter->OnRejoined() : waiter->Refuse(refusal);
}

Line::Wakes Line::Insert(WaiterPtr waiter, bool at_head) {
  const Waiter* key = waiter.get();
  deadlines_.emplace(key->deadline(), key);
  bytes_ += key->bytes();
  Track& track = TrackOf(*key);
  ++track.length;
  Queue& queue = track.queues[key->caller()];
  queue.bytes += key->bytes();
  std::list<WaiterPtr>& waiters = queue.waiters[static_cast<size_t>(key->priority())];
  places_[key] = {waiters.insert(at_head ? waiters.begin() : waiters.end(), std::move(waiter)), absl::Now()};
  Wakes wakes = WakesForMore();
  wakes.overdue = key->deadline() < overdue_sleeps_until_;
  return wakes;
}

Line::Wakes Line::WakesForMore() {
  const size_t can_be_served = ready();
  Wakes wakes;
  // One at a time: it takes all that may fly together, of a burst as well, and wakes the next.
  wakes.taker = can_be_served > 0 && takers_ > 0 && !taker_is_coming_;
  taker_is_coming_ |= wakes.taker;
  wakes.opener = can_be_served > takers_;
  return wakes;
}

// After the lock is released: whoever is woken under it goes to sleep again at once.
void Line::Wake(const Wakes& wakes) {
  if (wakes.taker) arrival_.NotifyOne();
  if (wakes.opener) demand_.NotifyOne();
  if (wakes.overdue) deadline_.NotifyOne();
}

bool Line::Leave(const Waiter* waiter) {
  MutexLock lock(&mu_);
  return Extract(waiter) != nullptr;
}

// Null if it is not here.
WaiterPtr Line::Extract(const Waiter* waiter) {
  auto place = places_.find(waiter);
  if (place == places_.end()) return nullptr;
  Track& track = TrackOf(*waiter);
  auto queue = track.queues.find(waiter->caller());
  WaiterPtr found = std::move(*place->second.in_queue);
  queue->second.waiters[static_cast<size_t>(waiter->priority())].erase(place->second.in_queue);
  queue->second.bytes -= waiter->bytes();
  if (queue->second.length() == 0) track.queues.erase(queue);
  --track.length;
  places_.erase(place);
  bytes_ -= waiter->bytes();
  deadlines_.erase({waiter->deadline(), waiter});
  // Whoever waits for held calls of a closed Line to be served has nothing to wait for.
  if (closed_ && places_.empty()) arrival_.NotifyAll();
  return found;
}

std::vector<WaiterPtr> Line::Next(absl::Time until, absl::Duration work_max) {
  std::vector<WaiterPtr> taken;
  Wakes wakes;
  {
    MutexLock lock(&mu_);
    ++takers_;
    const uint64_t wakes_before = wakes_of_takers_;
    while (ready() == 0 && !(closed_ && places_.empty()) && wakes_of_takers_ == wakes_before && absl::Now() < until) {
      arrival_.WaitUntil(&mu_, until);
      // Woken for a call that has left meanwhile: nobody is coming any more.
      if (ready() == 0) taker_is_coming_ = false;
    }
    --takers_;
    if (WaiterPtr first = TakeNext()) taken.push_back(std::move(first));
    if (work_max > absl::ZeroDuration() && !taken.empty()) TakeCompanyOf(work_max, &taken);
    // Whoever was woken is here now, and wakes the next one if there is something left to do.
    taker_is_coming_ = ready() > 0 && takers_ > 0;
    wakes.taker = taker_is_coming_;
  }
  Wake(wakes);
  return taken;
}

// Whoever of the same caller may be served with the first one.
void Line::TakeCompanyOf(absl::Duration work_max, std::vector<WaiterPtr>* taken) {
  const Waiter& leader = *taken->front();
  const Company first = leader.company();
  const auto queue = short_.queues.find(leader.caller());
  if (first.key == 0 || options_.company_max <= 1 || queue == short_.queues.end()) return;
  const absl::Time now = absl::Now();
  const auto is_hasty = [&](const Waiter& waiter, const Company& company) {
    return waiter.deadline() < now + std::max(4 * work_max, company.time_min);
  };
  if (is_hasty(leader, first)) return;

  // Of a caller with many calls that may not fly together, only so many are looked at, so that
  // the cost of taking one does not grow with the Line.
  constexpr int kLooksMax = 256;
  absl::flat_hash_set<uint64_t> contents = {first.content};
  size_t seats = 1;
  absl::Duration work = first.work;
  size_t bytes = leader.bytes();
  std::vector<const Waiter*> company;
  int looks = 0;
  // False when there is no more to be taken.
  const auto look_at = [&](const Waiter& waiter) {
    if (++looks > kLooksMax) return false;
    const Company other = waiter.company();
    if (other.key != first.key || is_hasty(waiter, other)) return true;
    const bool asks_for_the_same = other.content != 0 && contents.contains(other.content);
    if (!asks_for_the_same) {
      if (work + other.work > work_max) return false;
      if (seats >= options_.company_max || bytes + waiter.bytes() > options_.company_bytes_max) return false;
      ++seats;
      work += other.work;
      contents.insert(other.content);
      bytes += waiter.bytes();
    }
    company.push_back(&waiter);
    return true;
  };
  for (const std::list<WaiterPtr>& of_one_priority : queue->second.waiters) {
    if (!absl::c_all_of(of_one_priority, [&](const WaiterPtr& waiter) { return look_at(*waiter); })) break;
  }
  for (const Waiter* waiter : company) taken->push_back(Extract(waiter));
}

WaiterPtr Line::TakeNext() {
  if (ready() == 0) return nullptr;
  const bool held_may_go = ready() > short_.length;
  const bool takes_held = held_may_go && (held_is_next_ || short_.length == 0);
  held_is_next_ = !takes_held;
  if (takes_held) ++held_in_service_;
  Track& track = takes_held ? held_ : short_;
  auto queue = track.queues.lower_bound(track.turn);
  if (queue == track.queues.end()) queue = track.queues.begin();
  // The smallest name after this one: its turn is next.
  track.turn = absl::StrCat(queue->first, absl::string_view("\0", 1));
  return Extract(queue->second.first().get());
}

size_t Line::held_max() const { return std::min(held_limit_, options_.held_max); }

void Line::LimitHeld(size_t held_max) {
  Wakes wakes;
  {
    MutexLock lock(&mu_);
    held_limit_ = held_max;
    wakes = WakesForMore();
  }
  Wake(wakes);
}

void Line::ReleaseHeld() {
  Wakes wakes;
  {
    MutexLock lock(&mu_);
    --held_in_service_;
    wakes = WakesForMore();
  }
  Wake(wakes);
}

void Line::WakeTakers() {
  {
    MutexLock lock(&mu_);
    ++wakes_of_takers_;
  }
  arrival_.NotifyAll();
}

bool Line::AwaitDemand() {
  MutexLock lock(&mu_);
  while (ready() <= takers_ && !closed_) demand_.Wait(&mu_);
  return !(closed_ && places_.empty());
}

bool Line::AwaitClose(absl::Time until) {
  MutexLock lock(&mu_);
  while (!closed_ && absl::Now() < until) closing_.WaitUntil(&mu_, until);
  return closed_;
}

void Line::RefuseAll(const absl::Status& status) {
  std::vector<WaiterPtr> refused;
  {
    MutexLock lock(&mu_);
    refused = TakeAll();
  }
  for (const WaiterPtr& waiter : refused) waiter->Refuse(status);
}

std::vector<WaiterPtr> Line::Bar(const absl::Status& status) {
  MutexLock lock(&mu_);
  bar_ = status;
  return status.ok() ? std::vector<WaiterPtr>() : TakeAll();
}

std::vector<WaiterPtr> Line::TakeAll() {
  std::vector<WaiterPtr> all;
  while (!deadlines_.empty()) all.push_back(Extract(deadlines_.begin()->second));
  return all;
}

void Line::Explain(std::string why) {
  MutexLock lock(&mu_);
  trouble_ = std::move(why);
}

// The thread that looks after deadlines.
void Line::RefuseOverdue() {
  for (;;) {
    std::vector<std::pair<WaiterPtr, absl::Status>> overdue;
    {
      MutexLock lock(&mu_);
      while (!stopping_ && (deadlines_.empty() || deadlines_.begin()->first > absl::Now())) {
        overdue_sleeps_until_ = deadlines_.empty() ? absl::InfiniteFuture() : deadlines_.begin()->first;
        deadline_.WaitUntil(&mu_, overdue_sleeps_until_);
      }
      if (stopping_) return;
      const absl::Time now = absl::Now();
      while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        const Waiter* late = deadlines_.begin()->second;
        const absl::Status status = errors::QueueTimeout(now - places_[late].joined_at, trouble_);
        overdue.emplace_back(Extract(late), status);
      }
    }
    for (const auto& [waiter, status] : overdue) waiter->Refuse(status);
  }
}

void Line::Close() {
  {
    MutexLock lock(&mu_);
    closed_ = true;
  }
  arrival_.NotifyAll();
  demand_.NotifyAll();
  closing_.NotifyAll();
}

bool Line::closed() const {
  MutexLock lock(&mu_);
  return closed_;
}

size_t Line::length() const {
  MutexLock lock(&mu_);
  return places_.size();
}

observe::LineState Line::state() const {
  observe::LineState state;
  MutexLock lock(&mu_);
  const absl::Time now = absl::Now();
  for (const auto& [waiter, place] : places_) {
    ++state.waiting[static_cast<size_t>(waiter->priority())];
    state.oldest_wait = std::max(state.oldest_wait, now - place.joined_at);
  }
  state.bytes = bytes_;
  return state;
}

size_t Line::held_in_service() const {
  MutexLock lock(&mu_);
  return held_in_service_;
}

}  // namespace sluice::admission
