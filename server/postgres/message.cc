#include "server/postgres/message.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "server/base/utf8.h"

namespace sluice::postgres {
namespace {

// Empty if the flight asks for nothing.
std::string SetTransaction(const Flight& flight) {
  std::string modes;
  switch (flight.isolation) {
    case Isolation::kDefault: break;
    case Isolation::kReadCommitted: modes += ", ISOLATION LEVEL READ COMMITTED"; break;
    case Isolation::kRepeatableRead: modes += ", ISOLATION LEVEL REPEATABLE READ"; break;
    case Isolation::kSerializable: modes += ", ISOLATION LEVEL SERIALIZABLE"; break;
  }
  if (flight.read_only) modes += ", READ ONLY";
  if (flight.deferrable) modes += ", DEFERRABLE";
  const std::string listed = modes.empty() ? "" : modes.substr(1);
  if (flight.bracket == Bracket::kOpens) return absl::StrCat("BEGIN", listed, ";");
  return modes.empty() ? "" : absl::StrCat("SET TRANSACTION", listed, ";");
}

void AppendTimeLimit(const Flight& flight, const FixedPrelude& prelude, bool sets_time_limit, absl::Time now,
                     Message* message);

void AppendPrelude(const Flight& flight, const FixedPrelude& prelude, bool sets_time_limit, absl::Time now,
                   Message* message) {
  // What its first flight has set holds for the whole transaction, but for the time that is left.
  if (flight.bracket == Bracket::kContinues) return AppendTimeLimit(flight, prelude, sets_time_limit, now, message);
  const std::string transaction = SetTransaction(flight);
  absl::StrAppend(&message->text, transaction, prelude.text);
  message->prelude_statements = prelude.statements + (transaction.empty() ? 0 : 1);
  message->has_own_sets = prelude.statements > 0;
  AppendTimeLimit(flight, prelude, sets_time_limit, now, message);
  // Last, so that what comes before it is not done in its name.
  if (flight.identity.empty()) return;
  absl::StrAppend(&message->text, flight.identity, ";");
  ++message->prelude_statements;
}

void AppendTimeLimit(const Flight& flight, const FixedPrelude& prelude, bool sets_time_limit, absl::Time now,
                     Message* message) {
  if (!sets_time_limit || flight.time.work_until == absl::InfiniteFuture()) return;
  const absl::Duration left =
      std::min({flight.time.work_until - now, prelude.time_limit_max, flight.statement_time_max});
  constexpr int64_t kTimeoutMax = std::numeric_limits<int32_t>::max();
  // 0 would mean none.
  const int64_t limit_ms = std::clamp<int64_t>(absl::ToInt64Milliseconds(left), 1, kTimeoutMax);
  absl::StrAppend(&message->text, "SET LOCAL statement_timeout = ", limit_ms, ";");
  ++message->prelude_statements;
  message->has_own_sets = true;
  message->time_limit = absl::Milliseconds(limit_ms);
}

}  // namespace

void FixedPrelude::SetLocal(absl::string_view assignment) {
  absl::StrAppend(&text, "SET LOCAL ", assignment, ";");
  ++statements;
}

Message Compose(const Flight& flight, const FixedPrelude& prelude, bool sets_time_limit, absl::Time now) {
  Message message;
  size_t size = 256;
  for (absl::string_view statement : flight.statements) size += statement.size() + 4;
  message.text.reserve(size);
  if (!flight.alone) AppendPrelude(flight, prelude, sets_time_limit, now, &message);
  for (size_t i = 0; i < flight.statements.size(); ++i) {
    const absl::string_view statement = flight.statements[i];
    // On a line of its own: the statement before may end in a -- comment.
    if (!message.begins.empty()) message.text += "\n;\n";
    message.begins.push_back(message.text.size());
    absl::StrAppend(&message.text, statement);
    // (The statement may end in a -- comment.)
    if (!flight.comments.empty() && !flight.comments[i].empty()) {
      absl::StrAppend(&message.text, "\n/*", flight.comments[i], "*/");
    }
  }
  return message;
}

void LocateError(const Message& message, size_t completed, FlightFailure* failure) {
  failure->statement = completed;
  if (failure->error.position <= 0) return;
  const size_t byte = ByteOfCharacter(message.text, failure->error.position);
  const auto behind = std::upper_bound(message.begins.begin(), message.begins.end(), byte);
  if (behind == message.begins.begin()) return;
  failure->statement = static_cast<size_t>(behind - message.begins.begin()) - 1;
  failure->position = failure->error.position - CharacterPosition(message.text, message.begins[failure->statement]) + 1;
}

}  // namespace sluice::postgres
