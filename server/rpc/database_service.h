#ifndef SLUICE_SERVER_RPC_DATABASE_SERVICE_H_
#define SLUICE_SERVER_RPC_DATABASE_SERVICE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/admission/line.h"
#include "server/auth/authenticator.h"
#include "server/base/mutex.h"
#include "server/observe/events.h"
#include "server/query/hub.h"
#include "server/rpc/call.h"
#include "server/rpc/entry.h"
#include "server/rpc/subscription.h"
#include "server/rpc/work.h"
#include "sluice/v1/database.grpc.pb.h"

namespace sluice::rpc {

// The door of sluice.v1.Database: identifies the caller, reads and checks the request,
// and sends the call to the Line. All on gRPC's threads, which never wait.
//
// The methods are "raw" (bytes in, bytes out), so that bytes that are no request get a
// clear error and a reply is written by the connection's thread.
class DatabaseService
    : public v1::Database::WithRawCallbackMethod_Execute<v1::Database::WithRawCallbackMethod_ExecuteBatch<
          v1::Database::WithRawCallbackMethod_ExecuteStream<v1::Database::WithRawCallbackMethod_Transact<
              v1::Database::WithRawCallbackMethod_CopyIn<v1::Database::WithRawCallbackMethod_CopyOut<
                  v1::Database::WithRawCallbackMethod_Listen<v1::Database::WithRawCallbackMethod_Describe<
                      v1::Database::WithRawCallbackMethod_Ping<v1::Database::Service>>>>>>>>> {
 public:
  struct Options {
    RequestWork::Limits limits;
    // Of a call without a deadline; of one that is streamed.
    absl::Duration call_timeout = absl::Seconds(30);
    absl::Duration stream_timeout = absl::Hours(1);
    // A stream whose client takes nothing for so long is ended.
    absl::Duration stream_stall_max = absl::Seconds(60);
    // How long what was done under a request_id is remembered.
    absl::Duration request_retention = absl::Minutes(10);
    // False where the only connection is kept for short calls.
    bool takes_held_calls = true;
    // In progress at one time: that wait, that are served, that listen, and those whose client has not yet said
    // what it wants.
    int calls_max = 40000;
    bool echo_sql = false;
    // Infinite for none.
    absl::Duration slow_call = absl::Seconds(1);
  };

  // All must outlive the service. `hub` is null where nobody can listen.
  DatabaseService(const Options& options, const auth::Authenticator* authenticator, admission::Line* line,
                  query::Hub* hub, observe::Observer* observer);

  // For calls that come from now on; all but request_retention.
  void Adjust(const Options& options);

  // What callers' statements took in all, the costliest first.
  std::vector<observe::StatementState> CostliestStatements(size_t count_max);

  CallBook& calls() { return calls_; }
  // That have a connection now.
  int transactions_open() const { return shop_.transactions_open; }

  grpc::ServerUnaryReactor* Execute(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* reply) override;
  grpc::ServerUnaryReactor* ExecuteBatch(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* reply) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* ExecuteStream(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Transact(grpc::CallbackServerContext* context) override;
  grpc::ServerReadReactor<grpc::ByteBuffer>* CopyIn(grpc::CallbackServerContext* context,
                                                    grpc::ByteBuffer* reply) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* CopyOut(grpc::CallbackServerContext* context,
                                                      const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Listen(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* reply) override;
  grpc::ServerUnaryReactor* Ping(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* reply) override;

 private:
  // GATEWAY_OVERLOADED where there are too many calls already.
  absl::Status Admit() const;
  // Awaits what opens a call, which `open` makes of it.
  template <typename Reactor>
  void Await(const char* method, Reactor* reactor, std::function<bool(const grpc::ByteBuffer&)> open);
  // Identifies the caller and prepares the work; or ends the call, and returns null.
  std::shared_ptr<Call> Open(const char* method, std::unique_ptr<RequestWork> work,
                             grpc::CallbackServerContext* context, const grpc::ByteBuffer* request, Entry* entry);
  // The same, and sends the call to the Line.
  void Start(const char* method, std::unique_ptr<RequestWork> work, grpc::CallbackServerContext* context,
             const grpc::ByteBuffer* request, Entry* entry);

  absl::StatusOr<Subscription::Facts> PrepareListen(const grpc::CallbackServerContext& context,
                                                    const grpc::ByteBuffer& bytes) const;
  // Ends what has not become a call, and says so in the log.
  void Refuse(const char* method, const std::string& caller, const std::string& tag,
              const std::optional<observe::TraceParent>& trace, const absl::Status& status, Entry* entry);

  std::shared_ptr<const Options> options() const;

  const auth::Authenticator& authenticator_;
  admission::Line& line_;
  query::Hub* const hub_;
  observe::Observer& observer_;
  Workshop shop_;
  CallBook calls_;
  mutable Mutex mu_;
  // Shared with the calls that come in while it is replaced.
  std::shared_ptr<const Options> options_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_DATABASE_SERVICE_H_
