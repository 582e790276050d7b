#ifndef SLUICE_SERVER_RPC_WORK_H_
#define SLUICE_SERVER_RPC_WORK_H_

#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "server/admission/line.h"
#include "server/auth/caller.h"
#include "server/observe/events.h"
#include "server/query/ledger.h"
#include "server/query/message_stream.h"
#include "server/query/plan.h"
#include "server/query/together.h"
#include "server/query/turn.h"
#include "server/query/type_catalog.h"
#include "server/rpc/requests.h"
#include "server/sql/statement_book.h"

namespace sluice::rpc {

class Outgoing;

// What a call does once it has a connection. Kept from turn to turn.
class Work {
 public:
  virtual ~Work() = default;
  virtual query::TurnEnd Run(query::Turn* turn) = 0;
  // Which connections it may have.
  virtual admission::Lane lane() const { return admission::Lane::kShort; }
  virtual admission::Priority priority() const { return admission::Priority::kNormal; }
  // Of a kind of work that may fly together with others of its kind: whom with, and its part in
  // such a flight. `cost` tells whether it must not (any more).
  virtual admission::Company company(const query::CallCost& cost) const {
    (void)cost;
    return admission::Company();
  }
  virtual query::Companion AsCompanion() { return query::Companion(); }
  virtual void RunTogether(std::vector<query::Companion>* companions, postgres::Connection* connection,
                           admission::Line* line) {
    (void)companions;
    (void)connection;
    (void)line;
  }
  // The call ends without (another) turn because of `refusal`. `status` is what became of the
  // work whose turn it is: the refusal, or the error of its last turn if that may have left
  // something behind. Returns the status of the RPC, OK if the response tells more.
  virtual absl::Status GiveUp(const absl::Status& status, const absl::Status& refusal, const query::CallCost& cost) {
    (void)refusal;
    (void)cost;
    return status;
  }
  // The client has left, or the gateway ends: a turn that waits for the client does so no longer. On any
  // thread.
  virtual void StopWaiting(const absl::Status& why) { (void)why; }
  // Null if it was streamed.
  virtual const google::protobuf::Message* response() const { return nullptr; }
  // Memory that it holds before its first turn.
  virtual size_t bytes() const = 0;
  // Of one that goes well whatever its statements do.
  virtual std::vector<observe::CallFinished::FailedStatement> FailedStatements() const { return {}; }
  // As its caller calls it; may be empty.
  virtual std::string tag() const = 0;
  // Its first statement, where it has one from the beginning; on any thread.
  virtual std::shared_ptr<const sql::KnownStatement> statement() const { return nullptr; }
  // Texts for --echo_sql, and of what is slow.
  virtual std::vector<std::string> StatementTexts() const { return {}; }
};

// Work that begins with the bytes of a request.
class RequestWork : public Work {
 public:
  struct Limits {
    query::Limits query;
    int64_t request_bytes_max = 4 << 20;
  };

  // Reads the request and checks it as far as that can be done without a connection.
  virtual absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller& caller, const Limits& limits) = 0;

  std::string tag() const override { return tag_; }

 protected:
  // Once its request is read: what is refused then has its tag, too.
  void set_tag(const v1::CallOptions& options) { tag_ = query::TagOrNone(options); }

 private:
  std::string tag_;
};

// What all work on one database shares.
struct Workshop {
  explicit Workshop(absl::Duration request_retention) : ledger(request_retention) {}

  query::TypeCatalog types;
  query::Ledger ledger;
  sql::StatementBook book;
  std::atomic<int> transactions_open{0};
};

// The work of each method. `shop` must outlive it.
std::unique_ptr<RequestWork> ExecuteWork(Workshop* shop);
std::unique_ptr<RequestWork> BatchWork(Workshop* shop);
std::unique_ptr<RequestWork> DescribeWork(Workshop* shop);
std::unique_ptr<RequestWork> PingWork();
std::unique_ptr<RequestWork> StreamWork(Workshop* shop, std::shared_ptr<Outgoing> stream);
std::unique_ptr<RequestWork> TransactWork(Workshop* shop, std::shared_ptr<Outgoing> out, Requests in);
std::unique_ptr<RequestWork> CopyInWork(Requests in);
std::unique_ptr<RequestWork> CopyOutWork(Workshop* shop, std::shared_ptr<Outgoing> stream);

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_WORK_H_
