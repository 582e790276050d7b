#include "server/observe/trace_exporter.h"

namespace sluice::observe {

absl::StatusOr<std::unique_ptr<Observer>> OpenTraceExporter(const std::string& /*endpoint*/, Observer* /*log*/) {
  return absl::UnimplementedError(
      "this sluiced was built without OpenTelemetry: install opentelemetry-cpp-dev (Debian's backports) and build "
      "again");
}

}  // namespace sluice::observe
