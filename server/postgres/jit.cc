#include "server/postgres/jit.h"

#include "absl/strings/str_cat.h"

namespace sluice::postgres {

absl::string_view JitStrategyName(JitStrategy strategy) {
  switch (strategy) {
    case JitStrategy::kAuto: return "auto";
    case JitStrategy::kPrefix: return "prefix";
    case JitStrategy::kStartup: return "startup";
    case JitStrategy::kRole: return "role";
    case JitStrategy::kNone: return "none";
  }
  return "";
}

bool JitFinding::off_for_good() const {
  if (setting.empty()) return true;
  // "client" is a startup option and "session" a SET: both belong to one session.
  return setting == "off" && source != "session" && source != "client";
}

bool JitPolicy::wants_startup_option() const {
  return configured_ == JitStrategy::kStartup || (configured_ == JitStrategy::kAuto && set_refused_);
}

bool JitPolicy::wants_prefix(const JitFinding& finding) const {
  if (set_refused_ || finding.setting.empty()) return false;
  if (configured_ == JitStrategy::kPrefix) return true;
  return configured_ == JitStrategy::kAuto && !finding.stays_off();
}

absl::Status JitPolicy::Verify(const JitFinding& finding) const {
  const bool off = finding.setting.empty() || finding.setting == "off";
  if (off || configured_ == JitStrategy::kNone || wants_prefix(finding)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("JIT is on in a new session although the strategy is ", Effective(finding),
                   "; run ALTER ROLE ... SET jit = off, or set jit_strategy = prefix"));
}

absl::string_view JitPolicy::Effective(const JitFinding& finding) const {
  if (configured_ != JitStrategy::kAuto) return JitStrategyName(configured_);
  if (wants_startup_option()) return "startup";
  return wants_prefix(finding) ? "prefix" : "role";
}

}  // namespace sluice::postgres
