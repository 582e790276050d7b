#include "server/rpc/database_service.h"

#include <grpcpp/security/auth_context.h>

#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/rpc/reactors.h"
#include "server/rpc/request.h"

namespace sluice::rpc {

namespace {

auth::Credentials CredentialsOf(const grpc::CallbackServerContext& context) {
  auth::Credentials credentials;
  const auto& metadata = context.client_metadata();
  const auto [header, end] = metadata.equal_range("authorization");
  if (header != end) credentials.authorization = std::string(header->second.data(), header->second.size());
  // Two are one too many to believe any.
  if (header != end && std::next(header) != end) credentials.authorization = "";
  for (const grpc::string_ref& san : context.auth_context()->FindPropertyValues("x509_subject_alternative_name")) {
    credentials.certificate_sans.emplace_back(san.data(), san.size());
  }
  return credentials;
}

template <typename Reactor>
Requests RequestsOf(Reactor* reactor) {
  return Requests(reactor->incoming(), [reactor] { reactor->Ask(); });
}

}  // namespace

DatabaseService::DatabaseService(const Options& options, const auth::Authenticator* authenticator,
                                 admission::Line* line, query::Hub* hub, observe::Observer* observer)
    : options_(options),
      authenticator_(*authenticator),
      line_(*line),
      hub_(hub),
      observer_(*observer),
      shop_(options.request_retention),
      calls_(options.calls_max) {}

grpc::ServerUnaryReactor* DatabaseService::Execute(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* request, grpc::ByteBuffer* reply) {
  auto* reactor = new UnaryReactor(&calls_, reply);
  Start("Execute", ExecuteWork(&shop_), context, request, reactor);
  return reactor;
}

grpc::ServerUnaryReactor* DatabaseService::ExecuteBatch(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request, grpc::ByteBuffer* reply) {
  auto* reactor = new UnaryReactor(&calls_, reply);
  Start("ExecuteBatch", BatchWork(&shop_), context, request, reactor);
  return reactor;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* DatabaseService::ExecuteStream(grpc::CallbackServerContext* context,
                                                                           const grpc::ByteBuffer* request) {
  auto* reactor = new StreamReactor(&calls_, context, options_.stream_stall_max);
  Start("ExecuteStream", StreamWork(&shop_, reactor->outgoing()), context, request, reactor);
  return reactor;
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* DatabaseService::Transact(
    grpc::CallbackServerContext* context) {
  auto* reactor = new ConversationReactor(&calls_, context, options_.stream_stall_max);
  Await("Transact", reactor, [this, context, reactor](const grpc::ByteBuffer& begin) {
    auto work = TransactWork(&shop_, reactor->outgoing(), RequestsOf(reactor));
    return Open("Transact", std::move(work), context, &begin, reactor) != nullptr;
  });
  return reactor;
}

grpc::ServerReadReactor<grpc::ByteBuffer>* DatabaseService::CopyIn(grpc::CallbackServerContext* context,
                                                                   grpc::ByteBuffer* reply) {
  auto* reactor = new UploadReactor(&calls_, reply);
  Await("CopyIn", reactor, [this, context, reactor](const grpc::ByteBuffer& header) {
    return Open("CopyIn", CopyInWork(RequestsOf(reactor)), context, &header, reactor) != nullptr;
  });
  return reactor;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* DatabaseService::CopyOut(grpc::CallbackServerContext* context,
                                                                     const grpc::ByteBuffer* request) {
  auto* reactor = new StreamReactor(&calls_, context, options_.stream_stall_max);
  Start("CopyOut", CopyOutWork(&shop_, reactor->outgoing()), context, request, reactor);
  return reactor;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* DatabaseService::Listen(grpc::CallbackServerContext* context,
                                                                    const grpc::ByteBuffer* request) {
  auto* reactor = new ListenReactor(&calls_, context, options_.stream_stall_max);
  absl::StatusOr<Subscription::Facts> facts = PrepareListen(*context, *request);
  if (!facts.ok()) {
    Refuse("Listen", "", facts.status(), reactor);
  } else {
    reactor->Begin(std::make_shared<Subscription>(*std::move(facts), reactor->outgoing(), hub_, &observer_));
  }
  return reactor;
}

absl::StatusOr<Subscription::Facts> DatabaseService::PrepareListen(const grpc::CallbackServerContext& context,
                                                                   const grpc::ByteBuffer& bytes) const {
  RETURN_IF_ERROR(Admit());
  ASSIGN_OR_RETURN(const auth::Caller caller, authenticator_.Identify(CredentialsOf(context)));
  v1::ListenRequest request;
  RETURN_IF_ERROR(ParseRequest(bytes, options_.limits.request_bytes_max, &request));
  if (!caller.may.listen) return errors::StatementNotAllowed(caller.name, "listen");
  ASSIGN_OR_RETURN(std::vector<std::string> channels, ChannelsOf(request));
  if (hub_ == nullptr) return errors::ListenOff();
  return Subscription::Facts{caller.name, std::move(channels)};
}

grpc::ServerUnaryReactor* DatabaseService::Describe(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request, grpc::ByteBuffer* reply) {
  auto* reactor = new UnaryReactor(&calls_, reply);
  Start("Describe", DescribeWork(&shop_), context, request, reactor);
  return reactor;
}

grpc::ServerUnaryReactor* DatabaseService::Ping(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                grpc::ByteBuffer* reply) {
  auto* reactor = new UnaryReactor(&calls_, reply);
  Start("Ping", PingWork(), context, request, reactor);
  return reactor;
}

absl::Status DatabaseService::Admit() const {
  constexpr absl::Duration kRetryAfter = absl::Seconds(1);
  if (!calls_.is_overfull()) return absl::OkStatus();
  return errors::GatewayOverloaded(absl::StrCat(options_.calls_max, " calls are in progress"), kRetryAfter);
}

template <typename Reactor>
void DatabaseService::Await(const char* method, Reactor* reactor, std::function<bool(const grpc::ByteBuffer&)> open) {
  if (const absl::Status full = Admit(); !full.ok()) return Refuse(method, "", full, reactor);
  reactor->Begin(std::move(open));
}

void DatabaseService::Start(const char* method, std::unique_ptr<RequestWork> work, grpc::CallbackServerContext* context,
                            const grpc::ByteBuffer* request, Entry* entry) {
  if (const std::shared_ptr<Call> call = Open(method, std::move(work), context, request, entry)) call->Start();
}

std::shared_ptr<Call> DatabaseService::Open(const char* method, std::unique_ptr<RequestWork> work,
                                            grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                            Entry* entry) {
  const bool held = work->lane() == admission::Lane::kHeld;
  Call::Facts facts;
  facts.method = method;
  facts.arrived_at = absl::Now();
  facts.echo_sql = options_.echo_sql;
  facts.slow_call = options_.slow_call;
  const absl::Time deadline = absl::FromChrono(context->deadline());
  // No deadline comes as the last instant of the clock.
  const bool has_deadline = deadline - facts.arrived_at < absl::Hours(24 * 365);
  facts.time = has_deadline ? TimeBudget::OfCaller(facts.arrived_at, deadline)
                            : TimeBudget::Of(facts.arrived_at, held ? options_.stream_timeout : options_.call_timeout);

  const auto refuse = [&](const absl::Status& status) {
    Refuse(method, facts.caller.name, status, entry);
    return nullptr;
  };
  if (const absl::Status full = Admit(); !full.ok()) return refuse(full);
  absl::StatusOr<auth::Caller> caller = authenticator_.Identify(CredentialsOf(*context));
  if (!caller.ok()) return refuse(caller.status());
  facts.caller = *std::move(caller);
  const absl::Status prepared = work->Prepare(*request, facts.caller, options_.limits);
  if (!prepared.ok()) return refuse(prepared);
  if (held && !options_.takes_held_calls) return refuse(errors::HeldCallsOff());

  auto call = std::make_shared<Call>(std::move(facts), std::move(work), &line_, &observer_, entry);
  entry->Attach(call);
  return call;
}

void DatabaseService::Refuse(const char* method, const std::string& caller, const absl::Status& status, Entry* entry) {
  observe::CallFinished event;
  event.method = method;
  event.caller = caller;
  event.status = status;
  observer_.Record(event);
  entry->Finish(status, nullptr);
}

}  // namespace sluice::rpc
