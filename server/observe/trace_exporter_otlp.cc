#include <opentelemetry/exporters/otlp/otlp_grpc_exporter_factory.h>
#include <opentelemetry/exporters/otlp/otlp_grpc_exporter_options.h>
#include <opentelemetry/sdk/common/global_log_handler.h>
#include <opentelemetry/sdk/resource/resource.h>
#include <opentelemetry/sdk/trace/batch_span_processor_factory.h>
#include <opentelemetry/sdk/trace/batch_span_processor_options.h>
#include <opentelemetry/sdk/trace/id_generator.h>
#include <opentelemetry/sdk/trace/samplers/always_on_factory.h>
#include <opentelemetry/sdk/trace/tracer_provider.h>
#include <opentelemetry/sdk/trace/tracer_provider_factory.h>
#include <opentelemetry/trace/span_startoptions.h>

#include <array>
#include <chrono>
#include <utility>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "server/base/error.h"
#include "server/base/mutex.h"
#include "server/observe/trace.h"
#include "server/observe/trace_exporter.h"

namespace sluice::observe {
namespace {

namespace api = opentelemetry::trace;
namespace sdk = opentelemetry::sdk::trace;
namespace otlp = opentelemetry::exporter::otlp;

template <size_t size>
std::array<uint8_t, size> Bytes(const std::string& hex) {
  const std::string text = absl::HexStringToBytes(hex);
  std::array<uint8_t, size> bytes = {};
  std::copy_n(text.begin(), std::min(size, text.size()), bytes.begin());
  return bytes;
}

api::SpanId SpanIdOf(const std::string& hex) {
  return api::SpanId(opentelemetry::nostd::span<const uint8_t, 8>(Bytes<8>(hex).data(), 8));
}

// A call has its id before the library hears of it: it stands in its statements.
thread_local const std::string* given_span_id = nullptr;

class Ids : public sdk::IdGenerator {
 public:
  Ids() : IdGenerator(/*is_random=*/true) {}

  api::SpanId GenerateSpanId() noexcept override {
    if (given_span_id != nullptr) return SpanIdOf(*std::exchange(given_span_id, nullptr));
    return SpanIdOf(CallTrace({}).span_id());
  }
  // Every trace is somebody else's.
  api::TraceId GenerateTraceId() noexcept override { return api::TraceId(); }
};

opentelemetry::common::SystemTimestamp SystemTime(absl::Time time) {
  return opentelemetry::common::SystemTimestamp(absl::ToChronoTime(time));
}

// The library takes a span's length by this clock.
opentelemetry::common::SteadyTimestamp SteadyTime(absl::Time time) {
  return opentelemetry::common::SteadyTimestamp(std::chrono::nanoseconds(absl::ToUnixNanos(time)));
}

// The library would write to stderr, among our lines, for each batch. Now and then is enough.
class Complaints : public opentelemetry::sdk::common::internal_log::LogHandler {
 public:
  explicit Complaints(Observer* log) : log_(*log) {}

  void Handle(opentelemetry::sdk::common::internal_log::LogLevel /*level*/, const char* /*file*/, int /*line*/,
              const char* text, const opentelemetry::sdk::common::AttributeMap& /*attributes*/) noexcept override {
    constexpr absl::Duration kAtMostEvery = absl::Seconds(30);
    {
      MutexLock lock(&mu_);
      if (absl::Now() < next_) return;
      next_ = absl::Now() + kAtMostEvery;
    }
    log_.Record(SpansNotSent{text == nullptr ? "" : text});
  }

 private:
  Observer& log_;
  Mutex mu_;
  absl::Time next_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

void SetLogHandler(std::shared_ptr<opentelemetry::sdk::common::internal_log::LogHandler> handler) {
  opentelemetry::sdk::common::internal_log::GlobalLogHandler::SetLogHandler(
      opentelemetry::nostd::shared_ptr<opentelemetry::sdk::common::internal_log::LogHandler>(std::move(handler)));
}

class Exporter : public Observer {
 public:
  Exporter(const std::string& endpoint, Observer* log) {
    SetLogHandler(std::make_shared<Complaints>(log));
    otlp::OtlpGrpcExporterOptions options;
    // At the end each batch that is left may take so long: four of them.
    options.timeout = std::chrono::seconds(1);
    options.endpoint = endpoint;
    options.use_ssl_credentials = absl::StartsWith(endpoint, "https://");
    sdk::BatchSpanProcessorOptions batches;
    batches.schedule_delay_millis = std::chrono::milliseconds(1000);
    provider_ = sdk::TracerProviderFactory::Create(
        sdk::BatchSpanProcessorFactory::Create(otlp::OtlpGrpcExporterFactory::Create(options), batches),
        opentelemetry::sdk::resource::Resource::Create({{"service.name", "sluice"}}),
        sdk::AlwaysOnSamplerFactory::Create(), std::make_unique<Ids>());
    tracer_ = provider_->GetTracer("sluice");
  }
  ~Exporter() override {
    provider_->Shutdown(std::chrono::seconds(1));
    provider_.reset();
    SetLogHandler(std::make_shared<opentelemetry::sdk::common::internal_log::NoopLogHandler>());
  }

  void Record(const Event& event) override {
    const auto* call = std::get_if<CallFinished>(&event);
    if (call != nullptr && call->trace != nullptr) Export(*call, *call->trace);
  }

 private:
  void Export(const CallFinished& call, const CallTrace& trace) {
    const TraceParent& caller = trace.caller();
    api::StartSpanOptions options;
    options.kind = api::SpanKind::kServer;
    options.parent = api::SpanContext(
        api::TraceId(opentelemetry::nostd::span<const uint8_t, 16>(Bytes<16>(caller.trace_id).data(), 16)),
        SpanIdOf(caller.span_id), api::TraceFlags(api::TraceFlags::kIsSampled), /*is_remote=*/true);
    const absl::Time end = absl::Now();
    options.start_system_time = SystemTime(end - call.took);
    options.start_steady_time = SteadyTime(end - call.took);
    given_span_id = &trace.span_id();
    const auto span = tracer_->StartSpan("sluice.v1.Database/" + call.method, options);
    span->SetAttribute("rpc.system.name", "grpc");
    span->SetAttribute("rpc.method", "sluice.v1.Database/" + call.method);
    span->SetAttribute("sluice.caller", call.caller);
    if (!call.tag.empty()) span->SetAttribute("sluice.tag", call.tag);
    if (!call.status.ok()) {
      const std::string reason = ReasonOf(call.status);
      span->SetAttribute("error.type", reason);
      span->SetAttribute("sluice.outcome", std::string(OutcomeName(OutcomeOf(call.status))));
      // Never the message, which may quote values.
      span->SetStatus(api::StatusCode::kError, reason);
    }
    // Before its parts: where the queue is full, those that are behind are dropped.
    End(span, end);
    for (const Span& part : trace.spans()) ExportPart(part, span->GetContext());
  }

  void ExportPart(const Span& part, const api::SpanContext& parent) {
    api::StartSpanOptions options;
    options.kind = part.attributes.empty() ? api::SpanKind::kInternal : api::SpanKind::kClient;
    options.parent = parent;
    options.start_system_time = SystemTime(part.begin);
    options.start_steady_time = SteadyTime(part.begin);
    const auto span = tracer_->StartSpan(part.name, options);
    for (const auto& [name, value] : part.attributes) span->SetAttribute(name, value);
    for (const Span& inner : part.parts) ExportPart(inner, span->GetContext());
    End(span, part.end);
  }

  static void End(const opentelemetry::nostd::shared_ptr<api::Span>& span, absl::Time end) {
    api::EndSpanOptions options;
    options.end_steady_time = SteadyTime(end);
    span->End(options);
  }

  std::unique_ptr<sdk::TracerProvider> provider_;
  opentelemetry::nostd::shared_ptr<api::Tracer> tracer_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Observer>> OpenTraceExporter(const std::string& endpoint, Observer* log) {
  return std::make_unique<Exporter>(endpoint, log);
}

}  // namespace sluice::observe
