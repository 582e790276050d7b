#include "client/cpp/value.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice::client {
namespace {

// The year 0 is 1 BC.
std::string DayText(absl::CivilDay day) {
  const bool before_christ = day.year() < 1;
  return absl::StrFormat("%04d-%02d-%02d", before_christ ? 1 - day.year() : day.year(), day.month(), day.day());
}

std::string TimeText(absl::Time time) {
  if (time == absl::InfiniteFuture()) return "infinity";
  if (time == absl::InfinitePast()) return "-infinity";
  const absl::TimeZone utc = absl::UTCTimeZone();
  const absl::CivilDay day = absl::ToCivilDay(time, utc);
  return absl::StrCat(DayText(day), absl::FormatTime(" %H:%M:%E6S+00", time, utc), day.year() < 1 ? " BC" : "");
}

}  // namespace

void SetValue(bool value, v1::Value* out) { out->set_bool_value(value); }
void SetValue(int32_t value, v1::Value* out) { out->set_int32_value(value); }
void SetValue(int64_t value, v1::Value* out) { out->set_int64_value(value); }
void SetValue(double value, v1::Value* out) { out->set_double_value(value); }
void SetValue(absl::string_view value, v1::Value* out) { out->set_text_value(value.data(), value.size()); }
void SetValue(std::nullptr_t, v1::Value* out) { out->set_null_value(google::protobuf::NULL_VALUE); }

void SetValue(uint64_t value, v1::Value* out) {
  if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return SetValue(static_cast<int64_t>(value), out);
  }
  SetValue(Numeric{absl::StrCat(value)}, out);
}

void SetValue(absl::Time value, v1::Value* out) {
  static const absl::Time begin = absl::FromCivil(absl::CivilYear(1), absl::UTCTimeZone());
  static const absl::Time end = absl::FromCivil(absl::CivilYear(10000), absl::UTCTimeZone());
  if (value < begin || value >= end) {
    // Past what the message has room for.
    out->set_text_value(TimeText(value));
    out->set_type_name("timestamptz");
    return;
  }
  const int64_t seconds = absl::ToUnixSeconds(value);
  out->mutable_timestamp_value()->set_seconds(seconds);
  out->mutable_timestamp_value()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(value - absl::FromUnixSeconds(seconds))));
}

void SetValue(absl::CivilDay value, v1::Value* out) {
  out->set_text_value(absl::StrCat(DayText(value), value.year() < 1 ? " BC" : ""));
  out->set_type_name("date");
}

void SetValue(absl::Duration value, v1::Value* out) {
  out->set_text_value(absl::StrCat(absl::ToInt64Microseconds(value), " microseconds"));
  out->set_type_name("interval");
}

void SetValue(const Bytes& value, v1::Value* out) { out->set_bytes_value(value.bytes); }
void SetValue(const Numeric& value, v1::Value* out) { out->set_numeric_value(value.decimal); }
void SetValue(const Json& value, v1::Value* out) { out->set_json_value(value.text); }
void SetValue(const Uuid& value, v1::Value* out) { out->set_uuid_value(value.text); }

void SetElement(absl::Time value, v1::Value* out) { out->set_text_value(TimeText(value)); }
void SetElement(uint64_t value, v1::Value* out) { out->set_numeric_value(absl::StrCat(value)); }

}  // namespace sluice::client
