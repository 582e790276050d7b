#ifndef SLUICE_SERVER_OBSERVE_TRACE_EXPORTER_H_
#define SLUICE_SERVER_OBSERVE_TRACE_EXPORTER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/observe/events.h"

namespace sluice::observe {

// Sends what sampled calls did to a collector of OpenTelemetry, by OTLP over gRPC. Never waits for it: what a collector
// does not take in time is dropped, at the end after some seconds.
//
// `endpoint`: http://host:4317, or https://. UNIMPLEMENTED where the library was not there when this was built
// (opentelemetry-cpp-dev, which Debian 12 has among its backports).
// Who hears of what could not be sent is `log`, which must outlive it. One for a process.
absl::StatusOr<std::unique_ptr<Observer>> OpenTraceExporter(const std::string& endpoint, Observer* log);

}  // namespace sluice::observe

#endif  // SLUICE_SERVER_OBSERVE_TRACE_EXPORTER_H_
