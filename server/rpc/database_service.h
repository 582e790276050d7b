#ifndef SLUICE_SERVER_RPC_DATABASE_SERVICE_H_
#define SLUICE_SERVER_RPC_DATABASE_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "server/admission/line.h"
#include "server/auth/authenticator.h"
#include "server/base/mutex.h"
#include "server/observe/events.h"
#include "server/query/plan.h"
#include "server/query/type_catalog.h"
#include "server/rpc/call.h"
#include "server/sql/statement_book.h"
#include "sluice/v1/database.grpc.pb.h"

namespace sluice::rpc {

class CallReactor;
class RequestWork;

// The door of sluice.v1.Database: identifies the caller, reads and checks the request,
// and sends the call to the Line. All on gRPC's threads, which never wait.
//
// The methods are "raw" (bytes in, bytes out), so that bytes that are no request get a
// clear error and a reply is written by the connection's thread.
class DatabaseService
    : public v1::Database::WithRawCallbackMethod_Execute<v1::Database::WithRawCallbackMethod_ExecuteBatch<
          v1::Database::WithRawCallbackMethod_Ping<v1::Database::Service>>> {
 public:
  struct Options {
    query::Limits limits;
    int64_t request_bytes_max = 4 << 20;
    absl::Duration call_timeout = absl::Seconds(30);
    bool echo_sql = false;
  };

  // All must outlive the service.
  DatabaseService(const Options& options, const auth::Authenticator* authenticator, admission::Line* line,
                  observe::Observer* observer);

  // Calls that have been taken and not been answered to the end.
  int calls_in_progress() const { return calls_in_progress_; }
  // All that have been taken since the start.
  int64_t calls_taken() const { return calls_taken_; }
  // Ends the calls that are in flight; each is answered.
  void DrainCalls();

  grpc::ServerUnaryReactor* Execute(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* reply) override;
  grpc::ServerUnaryReactor* ExecuteBatch(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* reply) override;
  grpc::ServerUnaryReactor* Ping(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* reply) override;

 private:
  friend class CallReactor;
  grpc::ServerUnaryReactor* Start(const char* method, std::unique_ptr<RequestWork> work,
                                  grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* reply);

  const Options options_;
  const auth::Authenticator& authenticator_;
  admission::Line& line_;
  observe::Observer& observer_;
  query::TypeCatalog types_;
  sql::StatementBook book_;
  std::atomic<int> calls_in_progress_{0};
  std::atomic<int64_t> calls_taken_{0};
  Mutex mu_;
  absl::flat_hash_set<CallReactor*> reactors_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_DATABASE_SERVICE_H_
