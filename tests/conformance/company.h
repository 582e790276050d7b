#ifndef SLUICE_TESTS_CONFORMANCE_COMPANY_H_
#define SLUICE_TESTS_CONFORMANCE_COMPANY_H_

#include <grpcpp/create_channel.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"

namespace sluice {

// A gateway of one connection, and calls that wait for it at the same time.
class CompanyTest : public ConformanceTest {
 protected:
  using Answer = absl::StatusOr<client::Result>;
  using Answers = std::vector<std::future<Answer>>;

  // One connection, so that who comes while it is busy has to wait.
  void StartGateway(const std::string& url, std::vector<std::string> flags = {}) {
    flags.push_back("--pool_size=1");
    // On a busy machine quick statements look slow.
    flags.push_back("--flight_work_max=" + work_max_);
    narrow_ = std::make_unique<testing_support::Gateway>(url, flags);
    ASSERT_TRUE(narrow_->AwaitReady());
  }

  client::Database Db() {
    client::Database::Options once;
    once.target = narrow_->address();
    once.retries_max = 0;
    once.token = token_;
    return *client::Database::Open(once);
  }

  // A call that has the only connection until `holder` commits.
  std::future<Answer> Occupy(testing_support::Direct* holder) {
    holder->Run("BEGIN; LOCK TABLE gate");
    auto busy = std::async(std::launch::async, [this] { return Db().Execute("SELECT count(*) FROM gate"); });
    EXPECT_TRUE(testing_support::Eventually([this] {
      return Direct().Value("SELECT count(*) FROM pg_locks WHERE relation = 'gate'::regclass AND NOT granted") == "1";
    }));
    return busy;
  }

  // Runs the calls at once, on a connection that is busy until all of them wait.
  std::vector<Answer> WhileBusy(const std::vector<client::Statement>& statements,
                                const client::CallOptions& options = client::CallOptions()) {
    testing_support::Direct holder(postgres_->ConnectionString());
    auto busy = Occupy(&holder);
    std::vector<Answer> answers = WaitingUntil([&holder] { holder.Run("COMMIT"); }, statements, options);
    EXPECT_TRUE(busy.get().ok());
    return answers;
  }

  // Runs the calls at once, on a connection that is busy until `release`, once all of them wait.
  std::vector<Answer> WaitingUntil(const std::function<void()>& release,
                                   const std::vector<client::Statement>& statements,
                                   const client::CallOptions& options = client::CallOptions()) {
    return WaitingUntil(release, statements, std::vector<client::CallOptions>(statements.size(), options));
  }
  std::vector<Answer> WaitingUntil(const std::function<void()>& release,
                                   const std::vector<client::Statement>& statements,
                                   const std::vector<client::CallOptions>& options) {
    Answers answers;
    const client::Database db = Db();
    for (size_t i = 0; i < statements.size(); ++i) {
      answers.push_back(std::async(std::launch::async, [&, i] {
        for (;;) {
          Answer answer = db.Execute(statements[i], options[i]);
          // The probe had its place.
          if (Reason(answer) != "GATEWAY_OVERLOADED") return answer;
        }
      }));
    }
    EXPECT_TRUE(testing_support::Eventually([this] { return LineIsFull(); })) << narrow_->log();
    release();
    std::vector<Answer> results;
    for (auto& answer : answers) results.push_back(answer.get());
    return results;
  }

  // The Line has room for just so many: one that is refused shows that all of them wait. It has no
  // deadline, so that its end is always the gateway's word: a client that gave up would leave one
  // behind, for a moment, which the next would take for a call of the test.
  bool LineIsFull() {
    const auto stub =
        v1::Database::NewStub(grpc::CreateChannel(narrow_->address(), grpc::InsecureChannelCredentials()));
    v1::ExecuteRequest request;
    request.mutable_statement()->set_sql("SELECT 'is it full?'");
    grpc::ClientContext context;
    if (!token_.empty()) context.AddMetadata("authorization", absl::StrCat("Bearer ", token_));
    v1::ExecuteResponse response;
    const grpc::Status status = stub->Execute(&context, request, &response);
    return absl::StrContains(status.error_details(), "GATEWAY_OVERLOADED");
  }

  // A gateway whose Line takes just so many.
  void StartGatewayFor(size_t calls, std::vector<std::string> flags = {}, const std::string& url = "") {
    Direct().Run("CREATE TABLE IF NOT EXISTS gate (n int)");
    // A caller that is known may fill half of it.
    flags.push_back(absl::StrCat("--line_length_max=", token_.empty() ? calls : 2 * calls));
    // Of calls without a deadline.
    flags.push_back("--call_timeout=50ms");
    StartGateway(url.empty() ? pgbouncer_->Url() : url, flags);
  }

  // It is known to be quick once it has been so: within 3 ms, which a busy machine may need more
  // than one try for.
  void Introduce(const client::Statement& statement) {
    IntroduceEach([&statement] { return statement; });
  }
  void IntroduceEach(const std::function<client::Statement()>& next) {
    EXPECT_TRUE(testing_support::Eventually([&] {
      const Answer answer = Db().Execute(next(), client::CallOptions());
      EXPECT_TRUE(answer.ok()) << answer.status();
      const auto& took = answer->info().database_time();
      return took.seconds() == 0 && took.nanos() < 3000000;
    }));
  }

  std::unique_ptr<testing_support::Gateway> narrow_;
  std::string work_max_ = "1s";
  // Of the caller; empty where the gateway does not know its callers.
  std::string token_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_CONFORMANCE_COMPANY_H_
