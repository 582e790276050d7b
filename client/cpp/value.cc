#include "client/cpp/value.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice::client {

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
  if (value == absl::InfiniteFuture() || value == absl::InfinitePast()) {
    out->set_text_value(value == absl::InfiniteFuture() ? "infinity" : "-infinity");
    out->set_type_name("timestamptz");
    return;
  }
  const int64_t seconds = absl::ToUnixSeconds(value);
  out->mutable_timestamp_value()->set_seconds(seconds);
  out->mutable_timestamp_value()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(value - absl::FromUnixSeconds(seconds))));
}

void SetValue(absl::CivilDay value, v1::Value* out) {
  const bool before_christ = value.year() < 1;
  // The year 0 is 1 BC.
  out->set_text_value(absl::StrFormat("%04d-%02d-%02d%s", before_christ ? 1 - value.year() : value.year(),
                                      value.month(), value.day(), before_christ ? " BC" : ""));
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

const char* ElementTypeOf(bool) { return "bool"; }
const char* ElementTypeOf(int32_t) { return "int4"; }
const char* ElementTypeOf(int64_t) { return "int8"; }
const char* ElementTypeOf(double) { return "float8"; }
const char* ElementTypeOf(const std::string&) { return "text"; }
const char* ElementTypeOf(absl::string_view) { return "text"; }
const char* ElementTypeOf(absl::Time) { return "timestamptz"; }
const char* ElementTypeOf(absl::CivilDay) { return "date"; }
const char* ElementTypeOf(absl::Duration) { return "interval"; }
const char* ElementTypeOf(const Bytes&) { return "bytea"; }
const char* ElementTypeOf(const Numeric&) { return "numeric"; }
const char* ElementTypeOf(const Json&) { return "jsonb"; }
const char* ElementTypeOf(const Uuid&) { return "uuid"; }

}  // namespace sluice::client
