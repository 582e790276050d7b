#include "tests/faults/load.h"

#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/error.h"

namespace sluice {
namespace {

using client::Database;
using client::Statement;

constexpr char kWrite[] = "INSERT INTO effects VALUES ($1, $2)";

// What the caller of work that it gave up may be sure of.
absl::Status Dropped() { return WithOutcome(absl::CancelledError("dropped"), v1::OUTCOME_ROLLED_BACK); }

// Without a mind of its own.
Database Connect(const std::string& address) {
  Database::Options options;
  options.target = address;
  options.retries_max = 0;
  return *Database::Open(options);
}

}  // namespace

// One who calls.
class Load::Caller {
 public:
  Caller(const Options& options, const std::string& gateway, Books* books, const std::atomic<bool>* ending)
      : options_(options), db_(Connect(gateway)), books_(*books), ending_(*ending) {}

  void CallOnce() {
    using Kind = void (Caller::*)();
    static constexpr Kind kReads[] = {&Caller::Read, &Caller::ReadStream, &Caller::CopyOut};
    static constexpr Kind kAll[] = {&Caller::Read,     &Caller::ReadStream,  &Caller::CopyOut, &Caller::Write,
                                    &Caller::Batch,    &Caller::Independent, &Caller::Once,    &Caller::Transact,
                                    &Caller::Interact, &Caller::WriteStream, &Caller::CopyIn};
    const Kind kind = options_.writes ? kAll[absl::Uniform<size_t>(random_, 0, std::size(kAll))]
                                      : kReads[absl::Uniform<size_t>(random_, 0, std::size(kReads))];
    (this->*kind)();
  }

 private:
  absl::Duration Timeout() {
    if (options_.hasty == 0 || absl::Uniform(random_, 0, options_.hasty) > 0) return options_.timeout;
    return absl::Milliseconds(absl::Uniform(random_, 1, 50));
  }
  client::CallOptions Call() {
    client::CallOptions options;
    options.timeout = Timeout();
    return options;
  }

  // Its first values are the call's number and its own.
  void CheckRow(const char* kind, const client::Row& row, int64_t call, int number) {
    const auto of_call = row.Get<int64_t>(0);
    const auto place = row.Get<int32_t>(1);
    if (of_call.ok() && *of_call == call && place.ok() && *place == number) return;
    books_.NoteLie(absl::StrCat("a ", kind, " of call ", call, " had something else for row ", number));
  }

  void Read() {
    const int64_t call = books_.NextCall();
    client::CallOptions options = Call();
    options.read_only = absl::Bernoulli(random_, 0.5);
    // One row, or many.
    const int rows = absl::Bernoulli(random_, 0.5) ? 1 : 300;
    const auto result = db_.Execute(Statement("SELECT $1::bigint, generate_series(1, $2)", call, rows), options);
    if (result.ok() && result->size() != rows) books_.NoteLie(absl::StrCat("a read had ", result->size(), " rows"));
    for (int i = 0; result.ok() && i < result->size(); ++i) CheckRow("read", (*result)[i], call, i + 1);
    books_.Note({"read", call, 0, result.status()});
  }

  void ReadStream() {
    const int64_t call = books_.NextCall();
    constexpr int kRows = 2000;
    client::RowStream stream =
        db_.Stream(Statement("SELECT $1::bigint, generate_series(1, $2), repeat('x', 100)", call, kRows), Call());
    int rows = 0;
    while (stream.Next()) CheckRow("stream of a read", stream.current(), call, ++rows);
    if (stream.status().ok() && rows != kRows) books_.NoteLie(absl::StrCat("a whole stream had ", rows, " rows"));
    books_.Note({"stream of a read", call, 0, stream.status()});
  }

  void CopyOut() {
    const int64_t call = books_.NextCall();
    client::CopyReader reader =
        db_.CopyOut(Statement("SELECT $1::bigint, generate_series(1, 1000)", call), v1::CopyFormat(), Call());
    std::string copied, expected;
    for (std::string piece; reader.Read(&piece);) copied += piece;
    for (int n = 1; n <= 1000; ++n) absl::StrAppend(&expected, call, "\t", n, "\n");
    const bool is_good = reader.status().ok() ? copied == expected : absl::StartsWith(expected, copied);
    if (!is_good) books_.NoteLie(absl::StrCat("a copy out of call ", call, " had ", copied.size(), " other bytes"));
    books_.Note({"copy out", call, 0, reader.status()});
  }

  void Write() {
    const int64_t call = books_.NextCall();
    books_.Note({"write", call, 1, db_.Execute(Statement(kWrite, call, 0), Call()).status()});
  }

  void Batch() {
    const int64_t call = books_.NextCall();
    std::vector<Statement> statements;
    for (int n = 0; n < 3; ++n) statements.emplace_back(kWrite, call, n);
    books_.Note({"batch", call, 3, db_.ExecuteAtomic(statements, Call()).status()});
  }

  // Each has an outcome of its own.
  void Independent() {
    std::vector<int64_t> calls;
    std::vector<Statement> statements;
    for (int n = 0; n < 3; ++n) {
      calls.push_back(books_.NextCall());
      statements.emplace_back(kWrite, calls.back(), n);
    }
    const auto results = db_.ExecuteIndependent(statements, Call());
    for (size_t i = 0; i < calls.size(); ++i) {
      books_.Note({"independent batch", calls[i], 1, results.ok() ? (*results)[i].status() : results.status()});
    }
  }

  void Once() {
    const int64_t call = books_.NextCall();
    absl::Status told;
    bool may_be_done = false;
    do {
      client::CallOptions options = Call();
      options.request_id = absl::StrCat("call ", call);
      told = db_.Execute(Statement(kWrite, call, 0), options).status();
      may_be_done |= !told.ok() && OutcomeOf(told) == v1::OUTCOME_UNKNOWN;
      // A standby will not do it, however often it is asked.
    } while (!told.ok() && ReasonOf(told) != "READ_ONLY" && !ending_);
    books_.Note({"write with request_id", call, 1, told, may_be_done});
  }

  void Transact() {
    const int64_t call = books_.NextCall();
    client::TransactionOptions options;
    options.timeout = Timeout();
    client::Transaction transaction = db_.Begin(options);
    absl::Status told = transaction.Execute(kWrite, call, 0).status();
    if (told.ok()) told = transaction.Execute(kWrite, call, 1).status();
    if (told.ok()) told = transaction.ExecuteAndCommit(Statement(kWrite, call, 2)).status();
    books_.Note({"transaction", call, 3, Undone(told, transaction)});
  }

  // Which may also change its mind, or forget about it.
  void Interact() {
    const int64_t call = books_.NextCall();
    client::TransactionOptions options;
    options.timeout = Timeout();
    client::Transaction transaction = db_.Begin(options);
    absl::Status told = transaction.Execute(kWrite, call, 0).status();
    if (absl::Bernoulli(random_, 0.3)) {
      // Dropped: whatever it was told of its statement, it is not done.
      books_.Note({"transaction that is dropped", call, 1, Dropped()});
      return;
    }
    if (told.ok()) told = transaction.Commit();
    books_.Note({"transaction", call, 1, Undone(told, transaction)});
  }

  // An error of a statement is one of the transaction, which is dropped.
  static absl::Status Undone(const absl::Status& told, const client::Transaction& transaction) {
    const bool may_be_done = transaction.state() == v1::TransactResponse::OUTCOME_UNKNOWN || told.ok();
    return may_be_done ? told : WithOutcome(told, v1::OUTCOME_ROLLED_BACK);
  }

  void WriteStream() {
    const int64_t call = books_.NextCall();
    client::RowStream stream = db_.Stream(
        Statement("INSERT INTO effects SELECT $1, generate_series(1, 100) RETURNING call, n, repeat('z', 1000)", call),
        Call());
    const bool leaves = options_.hasty > 0 && absl::Bernoulli(random_, 0.1);
    for (int rows = 0; stream.Next(); ++rows) {
      CheckRow("stream of a write", stream.current(), call, rows + 1);
      if (leaves && rows == 3) stream.Cancel();
    }
    books_.Note({"stream of a write", call, 100, stream.status()});
  }

  void CopyIn() {
    const int64_t call = books_.NextCall();
    client::CopyWriter copy = db_.CopyIn(client::Table("effects"), v1::CopyFormat(), Call());
    for (int n = 0; n < 50; ++n) copy.Write(absl::StrCat(call, "\t", n, "\n"));
    if (absl::Bernoulli(random_, 0.1)) {
      books_.Note({"copy in that is dropped", call, 50, Dropped()});
      return;
    }
    books_.Note({"copy in", call, 50, copy.Commit().status()});
  }

  const Options& options_;
  const Database db_;
  Books& books_;
  const std::atomic<bool>& ending_;
  absl::BitGen random_;
};

Load::Load(const Options& options, Books* books) : options_(options), books_(*books) {
  for (int i = 0; i < options_.callers; ++i) threads_.emplace_back([this, i] { Call(i); });
  if (!options_.listens) return;
  threads_.emplace_back([this] { Notify(); });
  threads_.emplace_back([this] { Listen(); });
}

Load::~Load() {
  ending_ = true;
  {
    MutexLock lock(&mu_);
    if (listening_ != nullptr) listening_->Stop();
  }
  for (std::thread& thread : threads_) thread.join();
}

void Load::Call(int number) {
  Caller caller(options_, options_.gateways[number % options_.gateways.size()], &books_, &ending_);
  while (!ending_) caller.CallOnce();
}

// One number after the other.
void Load::Notify() {
  const Database db = Connect(options_.gateways[0]);
  client::CallOptions call;
  call.timeout = options_.timeout;
  for (int64_t number = 1; !ending_; ++number) {
    const Statement notify("SELECT pg_notify('weather', $1)", absl::StrCat(number));
    const absl::Status told = db.Execute(notify, call).status();
    books_.Note({"notify", books_.NextCall(), 0, told});
    MutexLock lock(&mu_);
    if (told.ok()) notified_.insert(number);
  }
}

// Whatever was notified in peace is heard, in order and once.
void Load::Listen() {
  const Database db = Connect(options_.gateways[0]);
  client::Subscription weather = db.Listen({"weather"});
  {
    MutexLock lock(&mu_);
    listening_ = &weather;
  }
  int64_t last = 0;  // 0: nothing is known of what came before
  while (!ending_ && weather.Next()) {
    if (weather.event().has_gap()) last = 0;
    if (!weather.event().has_notification()) continue;
    int64_t number = 0;
    (void)absl::SimpleAtoi(weather.event().notification().payload(), &number);
    ++notifications_;
    if (last != 0) CheckOrder(last, number);
    last = number;
  }
  MutexLock lock(&mu_);
  listening_ = nullptr;
  if (!ending_) books_.NoteLie(absl::StrCat("the subscription ended: ", weather.status().ToString()));
}

void Load::CheckOrder(int64_t last, int64_t number) {
  if (number <= last) return books_.NoteLie(absl::StrCat("notification ", number, " came behind ", last));
  MutexLock lock(&mu_);
  const auto missed = notified_.upper_bound(last);
  if (missed != notified_.end() && *missed < number) {
    books_.NoteLie(absl::StrCat("notification ", *missed, " was missed, and no gap told"));
  }
}

}  // namespace sluice
