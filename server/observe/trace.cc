#include "server/observe/trace.h"

#include <cstdint>
#include <limits>

#include "absl/algorithm/container.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"

namespace sluice::observe {
namespace {

bool IsHex(absl::string_view text) {
  return absl::c_all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsId(absl::string_view text) {
  return IsHex(text) && !absl::c_all_of(text, [](char c) { return c == '0'; });
}

std::string NewSpanId() {
  static thread_local absl::BitGen random;
  return absl::StrCat(
      absl::Hex(absl::Uniform<uint64_t>(random, 1, std::numeric_limits<uint64_t>::max()), absl::kZeroPad16));
}

}  // namespace

std::optional<TraceParent> ParseTraceparent(absl::string_view header) {
  // 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01, and more behind it in later versions.
  constexpr size_t kSize = 55;
  if (header.size() < kSize || (header.size() > kSize && header[kSize] != '-')) return std::nullopt;
  if (header[2] != '-' || header[35] != '-' || header[52] != '-') return std::nullopt;
  const absl::string_view version = header.substr(0, 2), flags = header.substr(53, 2);
  if (!IsHex(version) || version == "ff" || !IsHex(flags)) return std::nullopt;
  if (version == "00" && header.size() != kSize) return std::nullopt;
  TraceParent parent;
  parent.trace_id = std::string(header.substr(3, 32));
  parent.span_id = std::string(header.substr(36, 16));
  if (!IsId(parent.trace_id) || !IsId(parent.span_id)) return std::nullopt;
  // The lowest bit of the last digit.
  const char digit = flags[1];
  parent.sampled = ((digit <= '9' ? digit - '0' : digit - 'a' + 10) & 1) != 0;
  return parent;
}

CallTrace::CallTrace(TraceParent caller)
    : caller_(std::move(caller)),
      span_id_(NewSpanId()),
      comment_(absl::StrCat("traceparent='00-", caller_.trace_id, "-", span_id_, "-01'")) {}

void CallTrace::Add(Span span) {
  if (!has_room()) return;
  count_ += 1 + span.parts.size();
  spans_.push_back(std::move(span));
}

}  // namespace sluice::observe
