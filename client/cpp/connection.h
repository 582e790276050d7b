#ifndef SLUICE_CLIENT_CPP_CONNECTION_H_
#define SLUICE_CLIENT_CPP_CONNECTION_H_

#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/cpp/database.h"
#include "client/cpp/rpc_status.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "sluice/v1/database.grpc.pb.h"

namespace sluice::client {

v1::CallOptions ToProto(const CallOptions& options);

// What the copies of a Database share: the way to a gateway, or several.
class Connection {
 public:
  // As Database::Open.
  static absl::StatusOr<std::shared_ptr<const Connection>> Open(const Database::Options& options);

  v1::Database::Stub& database() const { return *database_; }
  grpc::health::v1::Health::Stub& health() const { return *health_; }

  // Who calls, and until when.
  void Prepare(absl::Time deadline, grpc::ClientContext* context) const;

  // After so many tries of which the last one failed: whether another one is safe and can help. Waits until
  // it is time for it.
  bool WaitToTryAgain(const absl::Status& status, bool may_repeat, int tries, absl::Time deadline) const;

  // Whether a try that ended so may have done its work.
  static bool MayBeDone(const absl::Status& status);
  // What its caller is told of a call whose last try ended so: an earlier one that may have been done is not forgotten.
  static absl::Status Told(const absl::Status& status, bool may_be_done);

  // Calls a method, again where that is safe.
  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (v1::Database::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, bool may_repeat, absl::Duration timeout, Response* response) const {
    const absl::Time deadline = absl::Now() + timeout;
    bool may_be_done = false;
    for (int tries = 0;; ++tries) {
      grpc::ClientContext context;
      Prepare(deadline, &context);
      response->Clear();
      absl::Status status = FromGrpcStatus((database_.get()->*method)(&context, request, response));
      if (status.ok() || !WaitToTryAgain(status, may_repeat, tries, deadline)) return Told(status, may_be_done);
      may_be_done |= MayBeDone(status);
    }
  }

 private:
  std::unique_ptr<v1::Database::Stub> database_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  std::string authorization_;
  bool has_many_gateways_ = false;
  int retries_max_ = 0;
};

}  // namespace sluice::client

#endif  // SLUICE_CLIENT_CPP_CONNECTION_H_
