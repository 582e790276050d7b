// sluice admin: the things that can be done about a gateway.

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>  // and comparison of timestamps

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/cli/admin_client.h"
#include "client/cli/commands.h"
#include "client/cli/error_text.h"
#include "client/cli/report.h"
#include "client/cli/status_text.h"
#include "client/cli/terminal.h"
#include "client/cpp/error.h"
#include "server/base/status_macros.h"

namespace sluice::cli {
namespace {

// JSON as protobuf writes it, fields without a value included: a program wants them.
std::string AsProtoJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  std::string text;
  (void)google::protobuf::util::MessageToJsonString(message, &text, options);
  return text;
}

std::string Names(const google::protobuf::RepeatedPtrField<std::string>& names) {
  return Printable(absl::StrJoin(names, ", "));
}

std::string ReloadText(const v1::ReloadResponse& reloaded) {
  std::string text = "read again, with callers and certificates\n";
  if (reloaded.changed_size() > 0) absl::StrAppend(&text, "new:               ", Names(reloaded.changed()), "\n");
  if (reloaded.waiting_size() > 0) absl::StrAppend(&text, "needs a restart:   ", Names(reloaded.waiting()), "\n");
  for (const std::string& login : reloaded.unchecked()) {
    absl::StrAppend(&text, "taken untried:     ", Printable(login), "\n");
  }
  return text;
}

// Until nobody answers any more, or another one that was started since.
absl::Status AwaitEnd(const AdminClient& admin, const google::protobuf::Timestamp& started_at) {
  // A server at its end cancels the calls that have just come.
  constexpr int kCancelledMax = 25;
  for (int cancelled = 0;;) {
    v1::GetStatusResponse status;
    const absl::Status answer = admin.Call(&v1::Admin::Stub::GetStatus, v1::GetStatusRequest(), &status);
    if (absl::IsUnavailable(answer)) return absl::OkStatus();
    if (answer.ok() && status.started_at() != started_at) return absl::OkStatus();
    if (!answer.ok() && !(absl::IsCancelled(answer) && ++cancelled < kCancelledMax)) return answer;
    absl::SleepFor(absl::Milliseconds(200));
  }
}

absl::Status Drain(const AdminClient& admin, const AdminArguments& arguments) {
  v1::DrainRequest request;
  if (arguments.grace_seconds.has_value()) {
    *request.mutable_grace() =
        google::protobuf::util::TimeUtil::MillisecondsToDuration(static_cast<int64_t>(*arguments.grace_seconds * 1e3));
  }
  v1::GetStatusResponse before;
  if (const absl::Status status = admin.Call(&v1::Admin::Stub::GetStatus, v1::GetStatusRequest(), &before);
      !status.ok()) {
    return status;
  }
  v1::DrainResponse response;
  const absl::Status begun = admin.Call(&v1::Admin::Stub::Drain, request, &response);
  if (!begun.ok()) return begun;
  if (!arguments.json) Print("draining\n");
  const absl::Status ended = arguments.wait ? AwaitEnd(admin, before.started_at()) : absl::OkStatus();
  if (!ended.ok()) return ended;
  if (arguments.json) {
    Print(AsProtoJson(response));
  } else if (arguments.wait) {
    Print("it has ended\n");
  }
  return absl::OkStatus();
}

// Asks for a list, or for what is, and prints it.
template <typename Request, typename Response, typename Text>
absl::Status Show(const AdminClient& admin,
                  grpc::Status (v1::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, bool json, Text text) {
  Response response;
  const absl::Status status = admin.Call(method, request, &response);
  if (status.ok()) Print(json ? AsProtoJson(response) : text(response));
  return status;
}

absl::StatusOr<v1::ListCallsResponse> AllCalls(const AdminClient& admin) {
  v1::ListCallsResponse all;
  v1::ListCallsRequest request;
  request.set_page_size(1000);
  for (;;) {
    v1::ListCallsResponse page;
    RETURN_IF_ERROR(admin.Call(&v1::Admin::Stub::ListCalls, request, &page));
    all.mutable_calls()->MergeFrom(page.calls());
    if (page.next_page_token().empty()) return all;
    request.set_page_token(page.next_page_token());
  }
}

absl::Status Do(const AdminClient& admin, const AdminArguments& arguments) {
  using Stub = v1::Admin::Stub;
  const absl::Time now = absl::Now();
  switch (arguments.action) {
    case AdminAction::kStatus:
      return Show(admin, &Stub::GetStatus, v1::GetStatusRequest(), arguments.json,
                  [now](const v1::GetStatusResponse& status) {
                    const Snapshot snapshot = {now, status, {}, {}};
                    return StatusText(status, now) + RatesText(std::nullopt, snapshot) + ErrorsText(status, now);
                  });
    case AdminAction::kCalls: {
      const absl::StatusOr<v1::ListCallsResponse> calls = AllCalls(admin);
      if (calls.ok()) Print(arguments.json ? AsProtoJson(*calls) : CallsText(*calls));
      return calls.status();
    }
    case AdminAction::kStatements: {
      v1::ListStatementsRequest request;
      request.set_count(50);
      return Show(admin, &Stub::ListStatements, request, arguments.json, StatementsText);
    }
    case AdminAction::kCancel: {
      v1::CancelCallRequest request;
      request.set_call_id(arguments.call_id);
      v1::CancelCallResponse response;
      const absl::Status status = admin.Call(&Stub::CancelCall, request, &response);
      if (!status.ok()) return status;
      if (!response.found()) return absl::NotFoundError("no call in progress has this id");
      Print(arguments.json ? AsProtoJson(response) : "asked to end\n");
      return status;
    }
    case AdminAction::kResetPool:
      return Show(admin, &Stub::ResetPool, v1::ResetPoolRequest(), arguments.json,
                  [](const v1::ResetPoolResponse& reset) {
                    return absl::StrCat(reset.connections(), " connections are being replaced\n");
                  });
    case AdminAction::kReload: return Show(admin, &Stub::Reload, v1::ReloadRequest(), arguments.json, ReloadText);
    case AdminAction::kDrain: return Drain(admin, arguments);
  }
  return absl::OkStatus();
}

}  // namespace

int FailAsOperator(const Target& target, const absl::Status& status) {
  if (client::IsFromGateway(status) || status.code() == absl::StatusCode::kNotFound) {
    PrintError(absl::StrCat(PrintableLines(status.message()), "\n"));
    return kExitFailed;
  }
  PrintError(absl::StrCat("No answer: ", Printable(status.message()), "\nIs a sluiced's operators' port at ",
                          Printable(target.admin_target),
                          "? (--admin_target, SLUICE_ADMIN_TARGET; the gateway's "
                          "setting admin_grpc_listen)\n"));
  return kExitUnreachable;
}

int RunAdmin(const Target& target, const AdminArguments& arguments) {
  const absl::StatusOr<AdminClient> admin = AdminClient::Open(target);
  if (!admin.ok()) return FailToOpen(admin.status());
  const absl::Status done = Do(*admin, arguments);
  return done.ok() ? kExitOk : FailAsOperator(target, done);
}

}  // namespace sluice::cli
