#include "client/cpp/value.h"

namespace sluice::client {

void SetValue(bool value, v1::Value* out) { out->set_bool_value(value); }
void SetValue(int32_t value, v1::Value* out) { out->set_int32_value(value); }
void SetValue(int64_t value, v1::Value* out) { out->set_int64_value(value); }
void SetValue(double value, v1::Value* out) { out->set_double_value(value); }
void SetValue(absl::string_view value, v1::Value* out) { out->set_text_value(value.data(), value.size()); }
void SetValue(std::nullptr_t, v1::Value* out) { out->set_null_value(google::protobuf::NULL_VALUE); }

void SetValue(absl::Time value, v1::Value* out) {
  const int64_t seconds = absl::ToUnixSeconds(value);
  out->mutable_timestamp_value()->set_seconds(seconds);
  out->mutable_timestamp_value()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(value - absl::FromUnixSeconds(seconds))));
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
const char* ElementTypeOf(absl::Time) { return "timestamptz"; }

}  // namespace sluice::client
