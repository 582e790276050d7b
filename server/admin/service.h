#ifndef SLUICE_SERVER_ADMIN_SERVICE_H_
#define SLUICE_SERVER_ADMIN_SERVICE_H_

#include "absl/status/status.h"
#include "server/admin/controls.h"
#include "sluice/v1/admin.grpc.pb.h"

namespace sluice::admin {

// The operators' door for programs: sluice.v1.Admin (proto/sluice/v1/admin.proto says who may come in).
class Service : public v1::Admin::CallbackService {
 public:
  explicit Service(Controls controls) : controls_(std::move(controls)) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context, const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;
  grpc::ServerUnaryReactor* ListCalls(grpc::CallbackServerContext* context, const v1::ListCallsRequest* request,
                                      v1::ListCallsResponse* response) override;
  grpc::ServerUnaryReactor* ListStatements(grpc::CallbackServerContext* context,
                                           const v1::ListStatementsRequest* request,
                                           v1::ListStatementsResponse* response) override;
  grpc::ServerUnaryReactor* CancelCall(grpc::CallbackServerContext* context, const v1::CancelCallRequest* request,
                                       v1::CancelCallResponse* response) override;
  grpc::ServerUnaryReactor* ResetPool(grpc::CallbackServerContext* context, const v1::ResetPoolRequest* request,
                                      v1::ResetPoolResponse* response) override;
  grpc::ServerUnaryReactor* Reload(grpc::CallbackServerContext* context, const v1::ReloadRequest* request,
                                   v1::ReloadResponse* response) override;
  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context, const v1::DrainRequest* request,
                                  v1::DrainResponse* response) override;

 private:
  absl::Status Admit(const grpc::CallbackServerContext& context) const;

  const Controls controls_;
};

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_SERVICE_H_
