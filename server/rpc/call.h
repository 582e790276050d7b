#ifndef SLUICE_SERVER_RPC_CALL_H_
#define SLUICE_SERVER_RPC_CALL_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "server/admission/line.h"
#include "server/auth/caller.h"
#include "server/observe/events.h"
#include "server/query/cancel_token.h"
#include "server/query/together.h"
#include "server/query/turn.h"
#include "server/rpc/last_turn.h"

namespace sluice::rpc {

// What a call does once it has a connection. Kept from turn to turn.
class Work {
 public:
  virtual ~Work() = default;
  virtual query::TurnEnd Run(query::Turn* turn) = 0;
  // Of a kind of work that may fly together with others of its kind: whom with, and its part in
  // such a flight. `cost` tells whether it must not (any more).
  virtual admission::Company company(const query::CallCost& cost) const {
    (void)cost;
    return admission::Company();
  }
  virtual query::Companion AsCompanion() { return query::Companion(); }
  virtual void RunTogether(std::vector<query::Companion>* companions, postgres::Connection* connection) {
    (void)companions;
    (void)connection;
  }
  // The call ends without (another) turn because of `refusal`. `status` is what became of the
  // work whose turn it is: the refusal, or the error of its last turn if that may have left
  // something behind. Returns the status of the RPC, OK if the response tells more.
  virtual absl::Status GiveUp(const absl::Status& status, const absl::Status& refusal, const query::CallCost& cost) {
    (void)refusal;
    (void)cost;
    return status;
  }
  virtual const google::protobuf::Message& response() const = 0;
  // Memory that it holds before its first turn.
  virtual size_t bytes() const = 0;
  // Texts for --echo_sql.
  virtual std::vector<std::string> StatementTexts() const { return {}; }
};

// One unary RPC in progress: waits in the Line, has its turns on connections, and answers
// once. Shared by gRPC (which may cancel it) and whoever holds it as a Waiter.
class Call : public admission::Waiter, public std::enable_shared_from_this<Call> {
 public:
  struct Facts {
    std::string method;  // "Execute"
    auth::Caller caller;
    absl::Time arrived_at;
    TimeBudget time;
    bool echo_sql = false;
  };

  // `line` and `observer` must outlive the call; `reply` and the reactor live until Finish.
  Call(Facts facts, std::unique_ptr<Work> work, admission::Line* line, observe::Observer* observer,
       grpc::ByteBuffer* reply, grpc::ServerUnaryReactor* reactor);

  // Joins the Line, or answers with its refusal.
  void Start();
  // The client is gone, or its deadline has passed.
  void OnCancel();
  // The gateway ends: what flies is cancelled, and its caller hears what became of it.
  void Drain() { token_.Drain(); }

  const std::string& caller() const override { return facts_.caller.name; }
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
  void BeginTurn();
  // Whether the call is done with it.
  bool EndTurn(const query::TurnEnd& end);
  absl::Status CancelledStatus() const;
  void Finish(const absl::Status& status);

  const Facts facts_;
  const std::unique_ptr<Work> work_;
  const size_t bytes_;
  admission::Line& line_;
  observe::Observer& observer_;
  grpc::ByteBuffer* const reply_;
  grpc::ServerUnaryReactor* const reactor_;

  query::CancelToken token_;
  // Touched by one thread at a time: whoever has the call as a Waiter.
  query::CallCost cost_;
  absl::Time waiting_since_;
  LastTurn last_turn_;
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_CALL_H_
