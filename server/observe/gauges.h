#ifndef SLUICE_SERVER_OBSERVE_GAUGES_H_
#define SLUICE_SERVER_OBSERVE_GAUGES_H_

#include <prometheus/metric_family.h>

#include <vector>

#include "server/observe/state.h"

namespace sluice::observe {

// The state as Prometheus' gauges (and a counter that the log keeps).
std::vector<prometheus::MetricFamily> GaugesOf(const State& state);

}  // namespace sluice::observe

#endif  // SLUICE_SERVER_OBSERVE_GAUGES_H_
