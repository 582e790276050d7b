#include "server/admin/service.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "server/admin/status_message.h"
#include "server/base/errors.h"
#include "server/base/local_address.h"
#include "server/rpc/credentials.h"
#include "server/rpc/grpc_status.h"

namespace sluice::admin {
namespace {

constexpr int kPageMax = 1000, kPage = 50;
constexpr int kStatementsMax = 200, kStatements = 20;

grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(rpc::ToGrpcStatus(status));
  return reactor;
}

// Of gRPC's peer: "ipv4:127.0.0.1:4711", "ipv6:%5B::1%5D:4711".
bool IsLocalPeer(const std::string& peer) {
  const std::string plain = absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}});
  absl::string_view host = plain;
  if (!absl::ConsumePrefix(&host, "ipv4:") && !absl::ConsumePrefix(&host, "ipv6:")) return false;
  host = host.substr(0, host.rfind(':'));
  if (absl::ConsumePrefix(&host, "[::ffff:")) host = absl::StripSuffix(host, "]");
  return IsLocalHost(host);
}

// What a proxy on this machine brings is from elsewhere.
bool ComesThroughProxy(const grpc::CallbackServerContext& context) {
  for (const char* header : {"forwarded", "x-forwarded-for", "x-real-ip", "via"}) {
    if (context.client_metadata().count(header) > 0) return true;
  }
  return false;
}

// Within 0 (the usual number) and the largest one; -1 if it is not.
int CountOf(int asked, int usual, int max) {
  if (asked < 0 || asked > max) return -1;
  return asked == 0 ? usual : asked;
}

}  // namespace

absl::Status Service::Admit(const grpc::CallbackServerContext& context) const {
  if (IsLocalPeer(context.peer()) && !ComesThroughProxy(context)) return absl::OkStatus();
  return CheckOperator(controls_, rpc::CredentialsOf(context));
}

grpc::ServerUnaryReactor* Service::GetStatus(grpc::CallbackServerContext* context,
                                             const v1::GetStatusRequest* /*request*/, v1::GetStatusResponse* response) {
  if (const absl::Status refusal = Admit(*context); !refusal.ok()) return Finish(context, refusal);
  SetStatus(controls_.state(), controls_.totals(), controls_.latest_errors(), response);
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* Service::ListCalls(grpc::CallbackServerContext* context, const v1::ListCallsRequest* request,
                                             v1::ListCallsResponse* response) {
  if (const absl::Status refusal = Admit(*context); !refusal.ok()) return Finish(context, refusal);
  const int count = CountOf(request->page_size(), kPage, kPageMax);
  if (count < 0) return Finish(context, errors::InvalidField("page_size", absl::StrCat("is from 0 to ", kPageMax)));
  // Of the call that the page before ended with: ids are given as calls come.
  int64_t after = 0;
  if (!request->page_token().empty() && !absl::SimpleAtoi(request->page_token(), &after)) {
    return Finish(context, errors::InvalidField("page_token", "is of no answer"));
  }
  const std::vector<observe::CallState> calls = controls_.longest_calls(static_cast<size_t>(count), after);
  for (const observe::CallState& call : calls) SetCall(call, response->add_calls());
  if (calls.size() == static_cast<size_t>(count)) response->set_next_page_token(absl::StrCat(calls.back().id));
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* Service::ListStatements(grpc::CallbackServerContext* context,
                                                  const v1::ListStatementsRequest* request,
                                                  v1::ListStatementsResponse* response) {
  if (const absl::Status refusal = Admit(*context); !refusal.ok()) return Finish(context, refusal);
  const int count = CountOf(request->count(), kStatements, kStatementsMax);
  if (count < 0) return Finish(context, errors::InvalidField("count", absl::StrCat("is from 0 to ", kStatementsMax)));
  for (const observe::StatementState& statement : controls_.costliest_statements(static_cast<size_t>(count))) {
    SetStatement(statement, response->add_statements());
  }
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* Service::CancelCall(grpc::CallbackServerContext* context,
                                              const v1::CancelCallRequest* request, v1::CancelCallResponse* response) {
  if (const absl::Status refusal = Admit(*context); !refusal.ok()) return Finish(context, refusal);
  response->set_found(controls_.cancel_call(request->call_id()));
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* Service::ResetPool(grpc::CallbackServerContext* context, const v1::ResetPoolRequest* request,
                                             v1::ResetPoolResponse* response) {
  if (const absl::Status refusal = Admit(*context); !refusal.ok()) return Finish(context, refusal);
  if (!request->database().empty() && request->database() != "default") {
    return Finish(context, errors::InvalidField("database", "there is only \"default\""));
  }
  response->set_connections(controls_.reset_pool());
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* Service::Reload(grpc::CallbackServerContext* context, const v1::ReloadRequest* /*request*/,
                                          v1::ReloadResponse* response) {
  if (const absl::Status refusal = Admit(*context); !refusal.ok()) return Finish(context, refusal);
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  controls_.reload([reactor, response](const absl::StatusOr<Reloaded>& reloaded) {
    if (reloaded.ok()) {
      for (const std::string& name : reloaded->changed) response->add_changed(name);
      for (const std::string& name : reloaded->waiting) response->add_waiting(name);
      for (const std::string& login : reloaded->unchecked) response->add_unchecked(login);
    }
    reactor->Finish(rpc::ToGrpcStatus(reloaded.status()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* Service::Drain(grpc::CallbackServerContext* context, const v1::DrainRequest* request,
                                         v1::DrainResponse* /*response*/) {
  if (const absl::Status refusal = Admit(*context); !refusal.ok()) return Finish(context, refusal);
  std::optional<absl::Duration> grace;
  if (request->has_grace()) {
    grace = absl::Seconds(request->grace().seconds()) + absl::Nanoseconds(request->grace().nanos());
    if (*grace < absl::ZeroDuration() || *grace > absl::Hours(1)) {
      return Finish(context, errors::InvalidField("grace", "is from nothing to an hour"));
    }
  }
  controls_.drain(grace);
  return Finish(context, absl::OkStatus());
}

}  // namespace sluice::admin
