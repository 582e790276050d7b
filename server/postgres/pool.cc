#include "server/postgres/pool.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/postgres/discard.h"

namespace sluice::postgres {
namespace {

bool MeansTooManyConnections(const ServerError& error) {
  constexpr absl::string_view kTexts[] = {
      "no more connections allowed",    "client connections exceeded", "(EMAXCONN",
      "Max client connections reached", "MaxClientsInSessionMode",     "too many active clients"};
  if (error.sqlstate == "53300") return true;
  for (absl::string_view text : kTexts) {
    if (absl::StrContains(error.message, text)) return true;
  }
  return false;
}

}  // namespace

// One thread and its connection, if it has one now.
class Pool::Worker {
 public:
  Worker(Pool* pool, bool warm) : pool_(*pool), warm_(warm) {}

  void Run() {
    while (AwaitWork()) {
      if (connection_ != nullptr && CloseUnwanted()) continue;
      if (connection_ == nullptr && !Open()) continue;
      ServeNext();
      if (connection_ != nullptr && pool_.options()->one_call_per_connection) Close("one call per connection");
    }
    if (connection_ != nullptr) Close("shutting down");
  }

  // Where no connection is kept, health still wants to know whether one can be had: at the
  // start, and as long as the last one could not. Then a database that sleeps when nobody calls
  // may do so (but not in null mode, which is for tests).
  void ProveWhileInDoubt() {
    do {
      if (pool_.InDoubt() && Open()) Close("it was only to prove the database");
    } while (!pool_.line_->AwaitClose(absl::Now() + pool_.options()->proof_interval));
  }

 private:
  // Whether there is something to do; false at the end.
  bool AwaitWork() {
    if (connection_ != nullptr || warm_) {
      return !(pool_.line_->closed() && pool_.line_->length() == 0);
    }
    return pool_.line_->AwaitDemand();
  }

  // Of an earlier generation, or one more than there are to be now.
  bool CloseUnwanted() {
    if (generation_ != pool_.generation_) {
      Close("the pool was reset");
    } else if (!warm_ && pool_.gate_.TakeSurplus()) {
      CloseAsSurplus("pool_size is smaller now");
    }
    return connection_ == nullptr;
  }

  bool Open() {
    if (!pool_.gate_.Enter()) return false;
    // In this order: with the login of its generation, or a later one.
    generation_ = pool_.generation_;
    const std::shared_ptr<const Options> options = pool_.options();
    const absl::Time begin = absl::Now();
    Connection::OpenFailure failure;
    connection_ = Connection::Open(options->connection, &pool_.jit_, &pool_.canceller_, &failure);
    if (connection_ == nullptr) {
      pool_.OnFailed(failure, generation_);
      return false;
    }
    pool_.gate_.Opened();
    static thread_local absl::BitGen random;
    age_factor_ = absl::Uniform(random, 0.75, 1.0);
    idle_since_ = absl::Now();
    pool_.OnOpened(*connection_, absl::Now() - begin);
    return true;
  }

  void ServeNext() {
    std::vector<admission::WaiterPtr> calls =
        pool_.line_->Next(absl::Now() + pool_.options()->proof_interval, CompanysWorkMax());
    if (calls.empty()) return LookAfterIdle();
    ++pool_.busy_;
    const bool held = calls[0]->lane() == admission::Lane::kHeld;
    std::vector<admission::WaiterPtr> unfinished = Serve(std::move(calls));
    --pool_.busy_;
    if (held) pool_.line_->ReleaseHeld();
    idle_since_ = absl::Now();
    const bool is_of_no_use = connection_->failed_to_answer();
    Judge();
    // Calls that did not come to an end go back only after this connection is judged: their
    // next try needs another one, unless it did answer, and only not for them.
    if (unfinished.empty()) return;
    if (connection_ != nullptr && is_of_no_use) GiveUpSession();
    pool_.line_->Rejoin(std::move(unfinished));
  }

  // Calls that share a flight run one after the other and are answered at its end. So their work
  // may take as long as the way there and back, which it saves them, or some milliseconds. What is
  // more runs at the same time on another connection.
  absl::Duration CompanysWorkMax() const {
    if (!connection_->may_carry_company()) return absl::ZeroDuration();
    return std::max(pool_.options()->company_work_max, std::min(connection_->round_trip(), absl::Milliseconds(50)));
  }

  // Those that are not done.
  std::vector<admission::WaiterPtr> Serve(std::vector<admission::WaiterPtr> calls) {
    admission::Waiter& first = *calls[0];
    if (calls.size() > 1) return first.ServeTogether(std::move(calls), *connection_);
    if (first.Serve(*connection_)) calls.clear();
    return calls;
  }

  // A pooler that has no server for us may say so and keep the session (PgCat): without a new
  // handshake, and its limits, the next try would be a busy loop.
  void GiveUpSession() {
    pool_.gate_.Refused();
    Close("it could not run a statement");
  }

  // Proves that the session still answers, or closes it.
  void LookAfterIdle() {
    if (!warm_ && absl::Now() - idle_since_ > pool_.options()->idle_max) return Close("idle");
    Flight proof;
    proof.statements = {"SELECT 1"};
    proof.alone = true;
    proof.is_proof = true;
    proof.time = TimeBudget::Of(absl::Now(), absl::Seconds(5));
    connection_->ClearInterrupt();
    connection_->Fly(proof);
    Judge();
    if (connection_ != nullptr && !connection_->answered()) GiveUpSession();
  }

  void Judge() {
    const absl::Time now = absl::Now();
    const absl::Duration age_max = pool_.options()->age_max * age_factor_;
    if (std::optional<absl::string_view> why = WhyDiscard(*connection_, age_max, now)) return Close(*why);
    if (connection_->answered()) pool_.OnProven();
  }

  void Close(absl::string_view why) {
    CloseAsSurplus(why);
    pool_.gate_.Closed();
  }

  // One that the gate counts no more.
  void CloseAsSurplus(absl::string_view why) {
    const absl::Duration age = absl::Now() - connection_->opened_at();
    connection_.reset();
    pool_.OnClosed(why, age);
  }

  Pool& pool_;
  const bool warm_;
  std::unique_ptr<Connection> connection_;
  int generation_ = 0;
  // Of Options::age_max.
  double age_factor_ = 1;
  absl::Time idle_since_;
};

Pool::Pool(const Options& options, admission::Line* line, observe::Observer* observer)
    : line_(line),
      observer_(observer),
      jit_(options.jit_strategy),
      gate_(Gate::Options(), options.connections_max),
      options_(Prepared(options)) {}

int Pool::WarmCount(const Options& options) { return options.one_call_per_connection ? 0 : options.connections_warm; }

std::shared_ptr<const Pool::Options> Pool::Prepared(Options options) {
  options.connection.closing = &closing_;
  options.connection.round_trip = &round_trip_;
  options.connection.observer = observer_;
  return std::make_shared<const Options>(std::move(options));
}

std::shared_ptr<const Pool::Options> Pool::options() const {
  MutexLock lock(&mu_);
  return options_;
}

// The gate says how many of them have a connection: a pool that is made smaller keeps its threads.
void Pool::StartThreads(int count) {
  const int warm_count = WarmCount(*options());
  if (warm_count == 0 && threads_.empty()) {
    threads_.emplace_back([this] { Worker(this, /*warm=*/false).ProveWhileInDoubt(); });
  }
  for (; workers_ < count; ++workers_) {
    threads_.emplace_back([this, warm = workers_ < warm_count] { Worker(this, warm).Run(); });
  }
}

absl::Status Pool::PrepareFor(int connections_max) {
  try {
    StartThreads(connections_max);
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat("no more than ", workers_, " threads: ", error.code().message()));
  }
  return absl::OkStatus();
}

void Pool::Adjust(const Options& options) {
  const std::shared_ptr<const Options> before = this->options();
  std::shared_ptr<const Options> now = Prepared(options);
  {
    MutexLock lock(&mu_);
    options_ = now;
  }
  gate_.SetConnectionsMax(now->connections_max);
  if (now->connection.parameters == before->connection.parameters) return line_->WakeTakers();
  Reset();
}

int Pool::Reset() {
  int open = 0;
  {
    MutexLock lock(&mu_);
    ++generation_;
    open = health_.open;
    // Also a login that was refused may be taken now.
    health_.last_failure.clear();
    line_->Bar(absl::OkStatus());
    line_->Explain("");
  }
  gate_.Forgive();
  line_->WakeTakers();
  return open;
}

Pool::~Pool() {
  closing_ = true;
  gate_.Shut();
  for (std::thread& thread : threads_) thread.join();
}

absl::Status Pool::CheckLogin(Connection::Options options) {
  options.connect_timeout = std::min(options.connect_timeout, absl::Seconds(5));
  JitPolicy jit(JitStrategy::kNone);
  Canceller canceller;
  Connection::OpenFailure failure;
  if (Connection::Open(options, &jit, &canceller, &failure) != nullptr) return absl::OkStatus();
  const bool will_not_pass = failure.fate == Fate::kBadCredentials || failure.fate == Fate::kMisconfigured;
  return will_not_pass ? absl::FailedPreconditionError(failure.error.message)
                       : absl::UnavailableError(failure.error.message);
}

void Pool::OnOpened(const Connection& connection, absl::Duration took) {
  const ServerFacts& facts = connection.facts();
  {
    MutexLock lock(&mu_);
    ++health_.open;
    found_.server_version = facts.server_version;
    found_.behind_pooler = facts.behind_pooler;
    found_.tls = facts.tls;
    found_.jit_strategy = std::string(jit_.Effective(facts.jit));
    line_->LimitHeld(std::numeric_limits<size_t>::max());
    health_.last_failure.clear();
    health_.proven_at = absl::Now();
    line_->Bar(absl::OkStatus());
    line_->Explain("");
  }
  observer_->Record(observe::ConnectionOpened{facts.server_version, facts.backend_pid, facts.behind_pooler, facts.tls,
                                              std::string(jit_.Effective(facts.jit)), took});
}

void Pool::OnFailed(const Connection::OpenFailure& failure, int generation) {
  absl::Duration retry_in;
  // Weather passes, and calls wait for it; a wrong password does not.
  absl::Status refusal;
  if (failure.fate == Fate::kMisconfigured || failure.fate == Fate::kBadCredentials) {
    refusal = errors::BackendUnreachable(absl::StrCat("can not connect: ", failure.error.message), std::nullopt);
  }
  std::vector<admission::WaiterPtr> refused;
  {
    // The Line hears of it under the lock: not after a connection that was opened meanwhile.
    MutexLock lock(&mu_);
    // That the old login is not taken any more says nothing about the new one.
    if (generation != generation_) return gate_.Abandoned();
    retry_in = gate_.Failed(failure.fate, MeansTooManyConnections(failure.error));
    // A connection more that can not be had is no illness.
    if (MeansTooManyConnections(failure.error)) {
      // There will not be more than these, of which short calls keep one.
      line_->LimitHeld(static_cast<size_t>(std::max(health_.open - 1, 0)));
    }
    if (health_.open == 0) {
      health_.last_failure = failure.error.message;
      line_->Explain(absl::StrCat("no connection to the database: ", failure.error.message));
      refused = line_->Bar(refusal);
    }
  }
  for (const admission::WaiterPtr& waiter : refused) waiter->Refuse(refusal);
  observer_->Record(observe::ConnectionFailed{failure.error.sqlstate, failure.error.message, retry_in});
}

void Pool::OnClosed(absl::string_view why, absl::Duration age) {
  {
    MutexLock lock(&mu_);
    --health_.open;
  }
  observer_->Record(observe::ConnectionDiscarded{std::string(why), age});
}

void Pool::OnProven() {
  MutexLock lock(&mu_);
  health_.proven_at = absl::Now();
  health_.last_failure.clear();
}

bool Pool::InDoubt() const {
  MutexLock lock(&mu_);
  return options_->one_call_per_connection || health_.proven_at == absl::InfinitePast() ||
         !health_.last_failure.empty();
}

Pool::Health Pool::health() const {
  MutexLock lock(&mu_);
  Health health = health_;
  health.busy = busy_;
  health.proves_regularly = options_->connections_warm > 0 || options_->one_call_per_connection;
  return health;
}

observe::PoolState Pool::state() const {
  const Health now = health();
  MutexLock lock(&mu_);
  observe::PoolState state = found_;
  state.connections_max = options_->connections_max;
  state.open = now.open;
  state.used = std::min(now.busy, now.open);
  state.round_trip = round_trip_.typical();
  state.last_failure = now.last_failure;
  return state;
}

}  // namespace sluice::postgres
