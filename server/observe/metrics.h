#ifndef SLUICE_SERVER_OBSERVE_METRICS_H_
#define SLUICE_SERVER_OBSERVE_METRICS_H_

#include <memory>
#include <string>

#include "server/observe/events.h"
#include "server/observe/state.h"

namespace sluice::observe {

// What the gateway has done since its start, for Prometheus. Names are listed with what they mean in
// docs/operations.md; those that OpenTelemetry has a name for carry it.
//
// Whatever callers send, the number of series is bounded: labels are from closed sets (methods, codes, priorities,
// reasons, classes of SQLSTATE), and of tags and commands only so many are told apart; the rest is "other".
class Metrics : public Observer {
 public:
  Metrics();
  ~Metrics() override;

  void Record(const Event& event) override;

  // In Prometheus' text format, with what is now.
  std::string Text(const State& state) const;

  Totals totals() const;

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace sluice::observe

#endif  // SLUICE_SERVER_OBSERVE_METRICS_H_
