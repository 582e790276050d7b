#include "server/base/error.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "server/base/utf8.h"

namespace sluice {
namespace {

using google::protobuf::util::TimeUtil;

constexpr char kErrorInfo[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kRetryInfo[] = "type.googleapis.com/google.rpc.RetryInfo";
constexpr char kPostgresError[] = "type.googleapis.com/sluice.v1.PostgresError";

template <typename Message>
void SetPayload(const char* type_url, const Message& message, absl::Status* status) {
  status->SetPayload(type_url, absl::Cord(message.SerializeAsString()));
}

template <typename Message>
std::optional<Message> GetPayload(const char* type_url, const absl::Status& status) {
  const auto payload = status.GetPayload(type_url);
  Message message;
  if (!payload.has_value() || !message.ParseFromString(std::string(*payload))) return std::nullopt;
  return message;
}

Outcome OutcomeFromName(absl::string_view name) {
  for (Outcome outcome : {v1::OUTCOME_NOT_STARTED, v1::OUTCOME_ROLLED_BACK, v1::OUTCOME_COMMITTED}) {
    if (name == OutcomeName(outcome)) return outcome;
  }
  return v1::OUTCOME_UNKNOWN;
}

constexpr size_t kMessageBytesMax = 1024;
constexpr size_t kValueBytesMax = 128;

}  // namespace

std::string Shortened(absl::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  return absl::StrCat(Utf8Prefix(text, bytes_max - 3), "...");
}

absl::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case v1::OUTCOME_NOT_STARTED: return "NOT_STARTED";
    case v1::OUTCOME_ROLLED_BACK: return "ROLLED_BACK";
    case v1::OUTCOME_COMMITTED: return "COMMITTED";
    default: return "UNKNOWN";
  }
}

absl::Status MakeError(ErrorFacts facts) {
  // All of it must fit into the trailers, whatever words it quotes.
  facts.message = Shortened(facts.message, kMessageBytesMax);
  for (auto& [key, value] : facts.metadata) value = Shortened(value, kValueBytesMax);
  absl::Status status(facts.code, facts.message);

  google::rpc::ErrorInfo info;
  info.set_domain("sluice");
  info.set_reason(facts.reason);
  info.mutable_metadata()->insert(facts.metadata.begin(), facts.metadata.end());
  (*info.mutable_metadata())["outcome"] = std::string(OutcomeName(facts.outcome));
  SetPayload(kErrorInfo, info, &status);

  if (facts.retry_after.has_value()) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() = TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(*facts.retry_after));
    SetPayload(kRetryInfo, retry, &status);
  }
  if (facts.postgres.has_value()) {
    facts.postgres->set_outcome(facts.outcome);
    SetPayload(kPostgresError, *facts.postgres, &status);
  }
  return status;
}

ErrorFacts FactsOf(const absl::Status& status) {
  ErrorFacts facts;
  facts.code = status.code();
  facts.message = std::string(status.message());
  facts.outcome = v1::OUTCOME_UNKNOWN;
  if (auto info = GetPayload<google::rpc::ErrorInfo>(kErrorInfo, status)) {
    facts.reason = info->reason();
    facts.metadata.insert(info->metadata().begin(), info->metadata().end());
    facts.outcome = OutcomeFromName(facts.metadata["outcome"]);
    facts.metadata.erase("outcome");
  }
  if (auto retry = GetPayload<google::rpc::RetryInfo>(kRetryInfo, status)) {
    facts.retry_after = absl::Nanoseconds(TimeUtil::DurationToNanoseconds(retry->retry_delay()));
  }
  facts.postgres = GetPayload<v1::PostgresError>(kPostgresError, status);
  return facts;
}

std::string ReasonOf(const absl::Status& status) { return FactsOf(status).reason; }

Outcome OutcomeOf(const absl::Status& status) { return FactsOf(status).outcome; }

std::string SqlStateOf(const absl::Status& status) {
  ErrorFacts facts = FactsOf(status);
  auto found = facts.metadata.find("sqlstate");
  return found == facts.metadata.end() ? "" : found->second;
}

absl::Status WithMetadata(const absl::Status& status, absl::string_view key, absl::string_view value) {
  ErrorFacts facts = FactsOf(status);
  facts.metadata[std::string(key)] = std::string(value);
  return MakeError(std::move(facts));
}

absl::Status WithStatementIndex(const absl::Status& status, size_t index) {
  ErrorFacts facts = FactsOf(status);
  facts.metadata["statementIndex"] = absl::StrCat(index);
  if (facts.postgres.has_value()) facts.postgres->set_statement_index(static_cast<int32_t>(index));
  return MakeError(std::move(facts));
}

absl::Status WithOutcome(const absl::Status& status, Outcome outcome) {
  ErrorFacts facts = FactsOf(status);
  facts.outcome = outcome;
  if (outcome == v1::OUTCOME_UNKNOWN || outcome == v1::OUTCOME_COMMITTED) facts.retry_after.reset();
  return MakeError(std::move(facts));
}

absl::Status PerhapsDoneBefore(const absl::Status& status) {
  ErrorFacts facts = FactsOf(status);
  facts.outcome = v1::OUTCOME_UNKNOWN;
  return MakeError(std::move(facts));
}

}  // namespace sluice
