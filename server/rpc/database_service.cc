#include "server/rpc/database_service.h"

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/rpc/credentials.h"
#include "server/rpc/reactors.h"
#include "server/rpc/request.h"
#include "server/sql/shape.h"

namespace sluice::rpc {

namespace {

std::optional<observe::TraceParent> TraceOf(const grpc::CallbackServerContext& context) {
  const auto header = context.client_metadata().find("traceparent");
  if (header == context.client_metadata().end()) return std::nullopt;
  return observe::ParseTraceparent(absl::string_view(header->second.data(), header->second.size()));
}

template <typename Reactor>
Requests RequestsOf(Reactor* reactor) {
  return Requests(reactor->incoming(), [reactor] { reactor->Ask(); });
}

}  // namespace

DatabaseService::DatabaseService(const Options& options, const auth::Authenticator* authenticator,
                                 admission::Line* line, query::Hub* hub, observe::Observer* observer)
    : authenticator_(*authenticator),
      line_(*line),
      hub_(hub),
      observer_(*observer),
      shop_(options.request_retention),
      calls_(options.calls_max),
      options_(std::make_shared<const Options>(options)) {}

void DatabaseService::Adjust(const Options& options) {
  calls_.set_calls_max(options.calls_max);
  auto adjusted = std::make_shared<const Options>(options);
  MutexLock lock(&mu_);
  options_ = std::move(adjusted);
}

std::vector<observe::StatementState> DatabaseService::CostliestStatements(size_t count_max) {
  // Texts that differ in their values are of one shape: so more than are asked for.
  constexpr size_t kTexts = 500;
  std::map<uint64_t, observe::StatementState> by_shape;
  for (const std::shared_ptr<sql::KnownStatement>& known : shop_.book.MostUsed(kTexts)) {
    if (known->use.calls() == 0) continue;
    sql::Shape shape = sql::ShapeOf(known->text);
    observe::StatementState& statement = by_shape[shape.fingerprint];
    statement.shape = std::move(shape.text);
    statement.fingerprint = shape.fingerprint;
    statement.calls += known->use.calls();
    statement.total_time += known->use.total_time();
  }
  std::vector<observe::StatementState> statements;
  for (auto& [fingerprint, statement] : by_shape) statements.push_back(std::move(statement));
  absl::c_sort(statements, [](const auto& a, const auto& b) { return a.total_time > b.total_time; });
  if (statements.size() > count_max) statements.resize(count_max);
  return statements;
}

std::shared_ptr<const DatabaseService::Options> DatabaseService::options() const {
  MutexLock lock(&mu_);
  return options_;
}

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
  auto* reactor = new StreamReactor(&calls_, context, options()->stream_stall_max);
  Start("ExecuteStream", StreamWork(&shop_, reactor->outgoing()), context, request, reactor);
  return reactor;
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* DatabaseService::Transact(
    grpc::CallbackServerContext* context) {
  auto* reactor = new ConversationReactor(&calls_, context, options()->stream_stall_max);
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
  auto* reactor = new StreamReactor(&calls_, context, options()->stream_stall_max);
  Start("CopyOut", CopyOutWork(&shop_, reactor->outgoing()), context, request, reactor);
  return reactor;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* DatabaseService::Listen(grpc::CallbackServerContext* context,
                                                                    const grpc::ByteBuffer* request) {
  auto* reactor = new ListenReactor(&calls_, context, options()->stream_stall_max);
  absl::StatusOr<Subscription::Facts> facts = PrepareListen(*context, *request);
  if (!facts.ok()) {
    Refuse("Listen", "", "", TraceOf(*context), facts.status(), reactor);
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
  RETURN_IF_ERROR(ParseRequest(bytes, options()->limits.request_bytes_max, &request));
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
  return errors::GatewayOverloaded(absl::StrCat(calls_.calls_max(), " calls are in progress"), kRetryAfter);
}

template <typename Reactor>
void DatabaseService::Await(const char* method, Reactor* reactor, std::function<bool(const grpc::ByteBuffer&)> open) {
  if (const absl::Status full = Admit(); !full.ok()) return Refuse(method, "", "", std::nullopt, full, reactor);
  reactor->Begin(std::move(open));
}

void DatabaseService::Start(const char* method, std::unique_ptr<RequestWork> work, grpc::CallbackServerContext* context,
                            const grpc::ByteBuffer* request, Entry* entry) {
  if (const std::shared_ptr<Call> call = Open(method, std::move(work), context, request, entry)) call->Start();
}

std::shared_ptr<Call> DatabaseService::Open(const char* method, std::unique_ptr<RequestWork> work,
                                            grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                            Entry* entry) {
  const std::shared_ptr<const Options> options = this->options();
  const bool held = work->lane() == admission::Lane::kHeld;
  Call::Facts facts;
  facts.method = method;
  facts.arrived_at = absl::Now();
  facts.caller_trace = TraceOf(*context);
  facts.echo_sql = options->echo_sql;
  facts.slow_call = options->slow_call;
  const absl::Time deadline = absl::FromChrono(context->deadline());
  // No deadline comes as the last instant of the clock.
  const bool has_deadline = deadline - facts.arrived_at < absl::Hours(24 * 365);
  facts.time = has_deadline ? TimeBudget::OfCaller(facts.arrived_at, deadline)
                            : TimeBudget::Of(facts.arrived_at, held ? options->stream_timeout : options->call_timeout);

  const auto refuse = [&](const absl::Status& status) {
    Refuse(method, facts.caller.name, work->tag(), facts.caller_trace, status, entry);
    return nullptr;
  };
  if (const absl::Status full = Admit(); !full.ok()) return refuse(full);
  absl::StatusOr<auth::Caller> caller = authenticator_.Identify(CredentialsOf(*context));
  if (!caller.ok()) return refuse(caller.status());
  facts.caller = *std::move(caller);
  const absl::Status prepared = work->Prepare(*request, facts.caller, options->limits);
  if (!prepared.ok()) return refuse(prepared);
  if (held && !options->takes_held_calls) return refuse(errors::HeldCallsOff());

  auto call = std::make_shared<Call>(std::move(facts), std::move(work), &line_, &observer_, entry);
  entry->Attach(call);
  return call;
}

void DatabaseService::Refuse(const char* method, const std::string& caller, const std::string& tag,
                             const std::optional<observe::TraceParent>& trace, const absl::Status& status,
                             Entry* entry) {
  observe::CallFinished event;
  if (trace.has_value()) event.trace_id = trace->trace_id;
  if (trace.has_value() && trace->sampled) event.trace = std::make_shared<const observe::CallTrace>(*trace);
  event.method = method;
  event.caller = caller;
  event.tag = tag;
  event.status = status;
  observer_.Record(event);
  entry->Finish(status, nullptr);
}

}  // namespace sluice::rpc
