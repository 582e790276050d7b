#include "server/query/aside.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"
#include "server/base/mutex.h"
#include "server/postgres/connection.h"
#include "server/query/own_waiter.h"

namespace sluice::query {
namespace {

// Keeps the statements: whoever asked may have given up when its turn comes.
class Question : public OwnWaiter {
 public:
  Question(const postgres::Flight& flight, absl::Time until)
      : OwnWaiter(until), statements_(flight.statements.begin(), flight.statements.end()) {}

  bool Serve(postgres::Connection& connection) override {
    postgres::Flight flight;
    flight.statements.assign(statements_.begin(), statements_.end());
    flight.time = TimeBudget::Of(absl::Now(), deadline() - absl::Now());
    connection.ClearInterrupt();
    Answer(connection.Fly(flight));
    return true;
  }
  void Refuse(const absl::Status&) override { Answer(NoAnswer()); }

  postgres::FlightReport AwaitAnswer() {
    MutexLock lock(&mu_);
    while (!answered_ && absl::Now() < deadline()) arrival_.WaitUntil(&mu_, deadline());
    if (!answered_) return NoAnswer();
    return std::move(answer_);
  }

 private:
  static postgres::FlightReport NoAnswer() {
    postgres::FlightReport report;
    report.failure.emplace();
    return report;
  }

  void Answer(postgres::FlightReport report) {
    {
      MutexLock lock(&mu_);
      answer_ = std::move(report);
      answered_ = true;
    }
    arrival_.NotifyAll();
  }

  const std::vector<std::string> statements_;
  Mutex mu_;
  CondVar arrival_;
  bool answered_ ABSL_GUARDED_BY(mu_) = false;
  postgres::FlightReport answer_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

postgres::FlightReport AskAside(admission::Line* line, const postgres::Flight& question, absl::Time until) {
  const auto waiter = std::make_shared<Question>(question, until);
  if (const absl::Status joined = line->Join(waiter); !joined.ok()) waiter->Refuse(joined);
  return waiter->AwaitAnswer();
}

}  // namespace sluice::query
