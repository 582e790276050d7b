#include "tests/benchmark/load.h"

#include <grpcpp/create_channel.h>

#include <memory>
#include <vector>

#include "absl/random/random.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "sluice/v1/database.grpc.pb.h"

namespace sluice::benchmark {
namespace {

// One call after the other until the end.
class Caller {
 public:
  Caller(v1::Database::Stub* stub, const std::string& token, const Workload& workload, absl::Time end, Tally* tally,
         absl::BlockingCounter* done)
      : stub_(*stub), token_(token), workload_(workload), end_(end), tally_(*tally), done_(*done) {}

  void Call() {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
    if (!token_.empty()) context_->AddMetadata("authorization", "Bearer " + token_);
    const int id = absl::Uniform(random_, 1, kAccounts + 1);
    const auto done = [this](const grpc::Status& status) { OnDone(status); };
    if (workload_.execute != nullptr) {
      request_.Clear();
      workload_.execute(id, &request_);
      begin_ = absl::Now();
      stub_.async()->Execute(context_.get(), &request_, &response_, done);
    } else {
      batch_request_.Clear();
      workload_.batch(id, &batch_request_);
      begin_ = absl::Now();
      stub_.async()->ExecuteBatch(context_.get(), &batch_request_, &batch_response_, done);
    }
  }

 private:
  bool IsRight() const {
    if (workload_.execute == nullptr) return batch_response_.results_size() == batch_request_.statements_size();
    return static_cast<int>(response_.result().rows().row_count()) == workload_.rows;
  }

  void OnDone(const grpc::Status& status) {
    if (!status.ok()) {
      tally_.Fail(status.error_message());
    } else if (!IsRight()) {
      tally_.Fail("a wrong answer");
    } else {
      tally_.Add(absl::Now() - begin_);
    }
    if (absl::Now() < end_) return Call();
    done_.DecrementCount();
  }

  v1::Database::Stub& stub_;
  const std::string& token_;
  const Workload& workload_;
  const absl::Time end_;
  Tally& tally_;
  absl::BlockingCounter& done_;
  absl::InsecureBitGen random_;
  v1::ExecuteRequest request_;
  v1::ExecuteResponse response_;
  v1::ExecuteBatchRequest batch_request_;
  v1::ExecuteBatchResponse batch_response_;
  std::unique_ptr<grpc::ClientContext> context_;
  absl::Time begin_;
};

Measurement RunCallers(const Target& target, const Workload& workload, int callers, absl::Duration length) {
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(target.address, grpc::InsecureChannelCredentials()));
  Tally tally;
  absl::BlockingCounter done(callers);
  const absl::Time begin = absl::Now();
  std::vector<std::unique_ptr<Caller>> all;
  for (int i = 0; i < callers; ++i) {
    all.push_back(std::make_unique<Caller>(stub.get(), target.token, workload, begin + length, &tally, &done));
  }
  for (auto& caller : all) caller->Call();
  done.Wait();
  return tally.Sum(absl::Now() - begin);
}

}  // namespace

Measurement MeasureGateway(const Target& target, const Workload& workload, int callers, absl::Duration length) {
  RunCallers(target, workload, callers, absl::Milliseconds(500));  // warms up
  const absl::Duration cpu_before = CpuTime(target.process);
  Measurement measured = RunCallers(target, workload, callers, length);
  if (measured.calls > 0) measured.cpu_per_call = (CpuTime(target.process) - cpu_before) / measured.calls;
  return measured;
}

Measurement Burst(const Target& target, const Workload& workload, int calls) {
  return RunCallers(target, workload, calls, absl::ZeroDuration());
}

}  // namespace sluice::benchmark
