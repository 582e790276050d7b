#include "server/codec/time_text.h"

#include <limits>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/civil_time.h"

namespace sluice::codec {
namespace {

constexpr int64_t kMicrosPerSecond = 1000000;

// Takes digits off the front; false if there are fewer than `digits_min`.
bool TakeNumber(absl::string_view* text, size_t digits_min, size_t digits_max, int64_t* number) {
  size_t count = 0;
  *number = 0;
  while (count < digits_max && count < text->size() && absl::ascii_isdigit((*text)[count])) {
    *number = *number * 10 + ((*text)[count++] - '0');
  }
  text->remove_prefix(count);
  return count >= digits_min;
}

// ".25" -> 250000; no dot is 0.
bool TakeFraction(absl::string_view* text, int64_t* microseconds) {
  *microseconds = 0;
  if (!absl::ConsumePrefix(text, ".")) return true;
  int64_t unit = kMicrosPerSecond / 10;
  bool any = false;
  while (!text->empty() && absl::ascii_isdigit(text->front())) {
    *microseconds += (text->front() - '0') * unit;
    unit /= 10;
    any = true;
    text->remove_prefix(1);
  }
  return any;
}

// "+02", "-03:30", "+05:53:28"; nothing is 0.
bool TakeOffset(absl::string_view* text, int64_t* seconds) {
  *seconds = 0;
  if (text->empty() || (text->front() != '+' && text->front() != '-')) return true;
  const int64_t sign = text->front() == '-' ? -1 : 1;
  text->remove_prefix(1);
  int64_t part = 0;
  for (const int64_t unit : {3600, 60, 1}) {
    if (unit != 3600 && !absl::ConsumePrefix(text, ":")) break;
    if (!TakeNumber(text, 2, 2, &part)) return false;
    *seconds += sign * part * unit;
  }
  return true;
}

}  // namespace

bool IsIsoDate(absl::string_view text) {
  if (text == "infinity" || text == "-infinity") return true;
  absl::ConsumeSuffix(&text, " BC");
  int64_t year = 0, month = 0, day = 0;
  return TakeNumber(&text, 4, 7, &year) && absl::ConsumePrefix(&text, "-") && TakeNumber(&text, 2, 2, &month) &&
         absl::ConsumePrefix(&text, "-") && TakeNumber(&text, 2, 2, &day) && text.empty();
}

bool ParseTimestamp(absl::string_view text, int64_t* microseconds) {
  if (text == "infinity" || text == "-infinity") {
    *microseconds = text[0] == '-' ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
    return true;
  }
  const bool before_christ = absl::ConsumeSuffix(&text, " BC");
  int64_t year, month, day, hour, minute, second, fraction, offset;
  const bool parsed =
      TakeNumber(&text, 4, 6, &year) && absl::ConsumePrefix(&text, "-") && TakeNumber(&text, 2, 2, &month) &&
      absl::ConsumePrefix(&text, "-") && TakeNumber(&text, 2, 2, &day) && absl::ConsumePrefix(&text, " ") &&
      TakeNumber(&text, 2, 2, &hour) && absl::ConsumePrefix(&text, ":") && TakeNumber(&text, 2, 2, &minute) &&
      absl::ConsumePrefix(&text, ":") && TakeNumber(&text, 2, 2, &second) && TakeFraction(&text, &fraction) &&
      TakeOffset(&text, &offset) && text.empty();
  if (!parsed) return false;
  if (before_christ) year = 1 - year;
  const int64_t seconds = absl::CivilSecond(year, month, day, hour, minute, second) - absl::CivilSecond() - offset;
  return !__builtin_mul_overflow(seconds, kMicrosPerSecond, microseconds) &&
         !__builtin_add_overflow(*microseconds, fraction, microseconds);
}

namespace {

// An instant's civil time, and the microseconds of its second.
struct Instant {
  absl::CivilSecond second;
  int64_t fraction = 0;
};

Instant InstantOf(int64_t microseconds) {
  int64_t seconds = microseconds / kMicrosPerSecond;
  int64_t fraction = microseconds % kMicrosPerSecond;
  if (fraction < 0) {
    fraction += kMicrosPerSecond;
    --seconds;
  }
  return {absl::CivilSecond() + seconds, fraction};
}

// "2026-08-22", the separator, "13:05:01.25"
std::string TextOf(const Instant& instant, int64_t year, char separator) {
  const absl::CivilSecond& time = instant.second;
  std::string text = absl::StrFormat("%04d-%02d-%02d%c%02d:%02d:%02d", year, time.month(), time.day(), separator,
                                     time.hour(), time.minute(), time.second());
  if (instant.fraction == 0) return text;
  std::string digits = absl::StrFormat(".%06d", instant.fraction);
  digits.erase(digits.find_last_not_of('0') + 1);
  return text + digits;
}

}  // namespace

std::string FormatTimestamp(absl::string_view postgres_text, int64_t microseconds, bool zone) {
  const Instant instant = InstantOf(microseconds);
  const int64_t year = instant.second.year();
  const bool infinite = !absl::ascii_isdigit(postgres_text.front());
  if (infinite || year < 1 || year > 9999) return std::string(postgres_text);
  return TextOf(instant, year, 'T') + (zone ? "Z" : "");
}

std::string TimestampText(int64_t microseconds, bool zone) {
  if (microseconds == std::numeric_limits<int64_t>::max()) return "infinity";
  if (microseconds == std::numeric_limits<int64_t>::min()) return "-infinity";
  const Instant instant = InstantOf(microseconds);
  const int64_t year = instant.second.year();
  return absl::StrCat(TextOf(instant, year < 1 ? 1 - year : year, ' '), zone ? "+00" : "", year < 1 ? " BC" : "");
}

bool IntervalToIso8601(absl::string_view text, std::string* iso) {
  if (text == "infinity" || text == "-infinity") {
    *iso = std::string(text);
    return true;
  }
  *iso = "P";
  std::vector<absl::string_view> words = absl::StrSplit(text, ' ');
  size_t i = 0;
  for (; i + 1 < words.size(); i += 2) {
    int64_t count = 0;
    if (!absl::SimpleAtoi(words[i], &count)) return false;
    absl::string_view unit = words[i + 1];
    absl::ConsumeSuffix(&unit, "s");
    if (unit != "year" && unit != "mon" && unit != "day") return false;
    absl::StrAppend(iso, count, unit == "year" ? "Y" : unit == "mon" ? "M" : "D");
  }
  if (i < words.size()) {
    absl::string_view time = words[i];
    absl::string_view sign = absl::ConsumePrefix(&time, "-") ? "-" : "";
    if (sign.empty()) absl::ConsumePrefix(&time, "+");
    int64_t hours, minutes, seconds;
    if (!TakeNumber(&time, 2, 12, &hours) || !absl::ConsumePrefix(&time, ":") || !TakeNumber(&time, 2, 2, &minutes) ||
        !absl::ConsumePrefix(&time, ":") || !TakeNumber(&time, 2, 2, &seconds)) {
      return false;
    }
    if (!time.empty() && time.front() != '.') return false;
    if (hours != 0 || minutes != 0 || seconds != 0 || !time.empty()) *iso += 'T';
    if (hours != 0) absl::StrAppend(iso, sign, hours, "H");
    if (minutes != 0) absl::StrAppend(iso, sign, minutes, "M");
    if (seconds != 0 || !time.empty()) absl::StrAppend(iso, sign, seconds, time, "S");
  }
  if (*iso == "P") *iso = "PT0S";
  return true;
}

}  // namespace sluice::codec
