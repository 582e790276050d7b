#include "server/query/seats.h"

#include <cstdint>

#include "absl/container/flat_hash_map.h"

namespace sluice::query {
namespace {

// The caller's text as well: an error has a place in it.
bool AskTheSame(const Plan& one, const Plan& other) {
  const PlannedStatement& first = one.statements[0];
  const PlannedStatement& second = other.statements[0];
  return one.content == other.content && first.bound.text == second.bound.text &&
         *first.caller_text == *second.caller_text && one.rows_max == other.rows_max &&
         one.reply_bytes_max == other.reply_bytes_max && one.timestamps_as_text == other.timestamps_as_text;
}

bool MayMeet(const Plan& one, const Plan& other) {
  return one.identity == other.identity && one.sharing == other.sharing;
}

}  // namespace

Seating TakeSeats(std::vector<Companion>* companions) {
  Seating seating;
  std::vector<Seat>& seats = seating.seats;
  absl::flat_hash_map<uint64_t, size_t> by_content;
  for (Companion& companion : *companions) {
    if (companion.token->cancelled()) {
      seating.left.push_back(&companion);
      continue;
    }
    if (!seats.empty() && !MayMeet(seats[0].plan(), *companion.plan)) {
      seating.strangers.push_back(&companion);
      continue;
    }
    const auto [seat, is_new] = by_content.try_emplace(companion.plan->content, seats.size());
    const bool asks_for_the_same =
        companion.plan->content != 0 && !is_new && AskTheSame(seats[seat->second].plan(), *companion.plan);
    if (asks_for_the_same) {
      seats[seat->second].companions.push_back(&companion);
    } else {
      seats.push_back({{&companion}});
    }
  }
  return seating;
}

}  // namespace sluice::query
