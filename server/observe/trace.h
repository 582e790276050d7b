#ifndef SLUICE_SERVER_OBSERVE_TRACE_H_
#define SLUICE_SERVER_OBSERVE_TRACE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sluice::observe {

// Where a call comes from, by W3C Trace Context's header: traceparent: 00-<trace>-<span>-<flags>, in lower-case hex.
struct TraceParent {
  std::string trace_id;  // 32 digits
  std::string span_id;   // 16 digits
  // Whoever began the trace wants to see it.
  bool sampled = false;
};

// Nullopt for what is none; of a later version what is known of it.
std::optional<TraceParent> ParseTraceparent(absl::string_view header);

// Some time of a sampled call, and what was done in it.
struct Span {
  std::string name;
  absl::Time begin, end;
  // Names are OpenTelemetry's.
  std::vector<std::pair<std::string, std::string>> attributes;
  // Within it; their times may be all of its own, where nobody knows them apart.
  std::vector<Span> parts;
};

// A sampled call on its way: it is one span of its caller's trace, and has parts. For one thread at a time.
class CallTrace {
 public:
  explicit CallTrace(TraceParent caller);

  const TraceParent& caller() const { return caller_; }
  // Of the call itself.
  const std::string& span_id() const { return span_id_; }
  // For behind a statement: traceparent='00-...-01'
  const std::string& comment() const { return comment_; }

  // False when as many spans are there as are kept: what is behind them is not worth making.
  bool has_room() const { return count_ < kSpansMax; }
  void Add(Span span);
  const std::vector<Span>& spans() const { return spans_; }

 private:
  // With their parts. A transaction of a thousand statements is told by its first ones.
  static constexpr size_t kSpansMax = 100;

  const TraceParent caller_;
  const std::string span_id_;
  const std::string comment_;
  std::vector<Span> spans_;
  size_t count_ = 0;
};

}  // namespace sluice::observe

#endif  // SLUICE_SERVER_OBSERVE_TRACE_H_
