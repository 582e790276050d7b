#ifndef SLUICE_SERVER_RPC_CALL_H_
#define SLUICE_SERVER_RPC_CALL_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "server/admission/line.h"
#include "server/auth/caller.h"
#include "server/observe/events.h"
#include "server/observe/state.h"
#include "server/query/cancel_token.h"
#include "server/query/turn.h"
#include "server/rpc/last_turn.h"
#include "server/rpc/work.h"

namespace sluice::rpc {

// gRPC's side of a call.
class Door {
 public:
  virtual ~Door() = default;
  // The end of the call, once; the door may be gone when it returns. `response`: of a unary call that is OK.
  virtual void Finish(const absl::Status& status, const google::protobuf::Message* response) = 0;
};

// One RPC in progress: waits in the Line, has its turns on connections, and ends
// once. Shared by gRPC (which may cancel it) and whoever holds it as a Waiter.
class Call : public admission::Waiter, public std::enable_shared_from_this<Call> {
 public:
  struct Facts {
    std::string method;  // "Execute"
    auth::Caller caller;
    absl::Time arrived_at;
    TimeBudget time;
    // Where it comes from, if it said so.
    std::optional<observe::TraceParent> caller_trace;
    bool echo_sql = false;
    // A call whose work takes the database so long is logged with what its statements are like.
    absl::Duration slow_call = absl::InfiniteDuration();
  };

  // `line` and `observer` must outlive the call; `door` lives until its Finish.
  Call(Facts facts, std::unique_ptr<Work> work, admission::Line* line, observe::Observer* observer, Door* door);

  // Joins the Line, or answers with its refusal.
  void Start();
  // The client is gone, or its deadline has passed.
  void OnCancel();
  // Its caller hears CANCELLED_BY_OPERATOR.
  void CancelForOperator();
  observe::CallState state() const;
  // The gateway ends: what flies is cancelled, and its caller hears what became of it.
  void Drain();

  const std::string& caller() const override { return facts_.caller.name; }
  admission::Lane lane() const override { return work_->lane(); }
  admission::Priority priority() const override { return work_->priority(); }
  size_t bytes() const override { return bytes_; }
  absl::Time deadline() const override { return facts_.time.work_until; }
  bool Serve(postgres::Connection& connection) override;
  admission::Company company() const override { return work_->company(cost_); }
  std::vector<admission::WaiterPtr> ServeTogether(std::vector<admission::WaiterPtr> company,
                                                  postgres::Connection& connection) override;
  void OnRejoined() override;
  void Refuse(const absl::Status& status) override;

 private:
  void LeaveLine();
  void EndWait();
  void BeginTurn(const postgres::Connection& connection);
  // Whether the call is done with it.
  bool EndTurn(const query::TurnEnd& end);
  absl::Status CancelledStatus() const;
  std::vector<std::string> SlowStatements() const;
  void Finish(const absl::Status& status);

  const Facts facts_;
  const std::unique_ptr<Work> work_;
  // Taken when it joins the Line: a stream has more by then than what opened it.
  size_t bytes_ = 0;
  admission::Line& line_;
  observe::Observer& observer_;
  Door* const door_;

  // Null unless it is sampled.
  const std::shared_ptr<observe::CallTrace> trace_;
  query::CancelToken token_;
  std::atomic<bool> has_connection_{false};
  // 0 behind a pooler.
  std::atomic<int> backend_pid_{0};
  // Touched by one thread at a time: whoever has the call as a Waiter.
  query::CallCost cost_;
  absl::Time waiting_since_;
  LastTurn last_turn_;
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_CALL_H_
