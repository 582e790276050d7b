#ifndef SLUICE_CLIENT_CPP_VALUE_H_
#define SLUICE_CLIENT_CPP_VALUE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "sluice/v1/value.pb.h"

namespace sluice::client {

// Marks for what C++ has no type of its own for.
struct Bytes {
  std::string bytes;  // bytea
};
struct Numeric {
  std::string decimal;  // "12345678901234567890.01": exact
};
struct Json {
  std::string text;  // jsonb
};
struct Uuid {
  std::string text;  // "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
};

// A value with an explicit type: As("2026-08-22", "date"), As("sad", "app.mood"),
// As(nullptr, "int8"). The name is checked by the gateway; see sluice.v1.Value.type_name.
template <typename T>
struct Typed {
  T value;
  std::string type_name;
};
template <typename T>
Typed<T> As(T value, std::string type_name) {
  return {std::move(value), std::move(type_name)};
}
inline Typed<std::string> As(const char* text, std::string type_name) { return {text, std::move(type_name)}; }

// How C++ values become parameters:
//   bool -> bool, int -> int4, int64_t and uint32_t -> int8, double -> float8
//   uint64_t -> int8, or past its range numeric
//   strings -> a literal without type: PostgreSQL infers it from the context
//   absl::Time -> timestamptz, absl::CivilDay -> date, absl::Duration -> interval
//   std::vector -> an array (of uint64_t a numeric[]), std::optional -> the value or NULL,
//   nullptr, std::nullopt -> NULL
void SetValue(bool value, v1::Value* out);
void SetValue(int32_t value, v1::Value* out);
void SetValue(int64_t value, v1::Value* out);
// NOLINTNEXTLINE(google-runtime-int): another type than int64_t, of the same width.
inline void SetValue(long long value, v1::Value* out) { SetValue(static_cast<int64_t>(value), out); }
inline void SetValue(uint32_t value, v1::Value* out) { SetValue(static_cast<int64_t>(value), out); }
void SetValue(uint64_t value, v1::Value* out);
// NOLINTNEXTLINE(google-runtime-int): as above.
inline void SetValue(unsigned long long value, v1::Value* out) { SetValue(static_cast<uint64_t>(value), out); }
// A letter, or its number? Say std::string(1, c), or int{c}.
void SetValue(char value, v1::Value* out) = delete;
void SetValue(double value, v1::Value* out);
void SetValue(absl::string_view value, v1::Value* out);
inline void SetValue(const char* value, v1::Value* out) { SetValue(absl::string_view(value), out); }
inline void SetValue(const std::string& value, v1::Value* out) { SetValue(absl::string_view(value), out); }
void SetValue(std::nullptr_t, v1::Value* out);
inline void SetValue(std::nullopt_t, v1::Value* out) { SetValue(nullptr, out); }
// absl::InfiniteFuture() is 'infinity'. To the microsecond.
void SetValue(absl::Time value, v1::Value* out);
void SetValue(absl::CivilDay value, v1::Value* out);
void SetValue(absl::Duration value, v1::Value* out);
void SetValue(const Bytes& value, v1::Value* out);
void SetValue(const Numeric& value, v1::Value* out);
void SetValue(const Json& value, v1::Value* out);
void SetValue(const Uuid& value, v1::Value* out);
// Without this, a pointer would become a bool.
template <typename T>
void SetValue(const T* value, v1::Value* out) = delete;

// Declared before they are defined, so that each finds the others.
template <typename T>
void SetValue(const std::optional<T>& value, v1::Value* out);
template <typename T>
void SetValue(const std::vector<T>& value, v1::Value* out);
template <typename T>
void SetValue(const Typed<T>& value, v1::Value* out);

template <typename T>
void SetValue(const std::optional<T>& value, v1::Value* out) {
  if (value.has_value()) {
    SetValue(*value, out);
  } else {
    SetValue(nullptr, out);
  }
}

// An empty vector still tells its type.
template <typename T>
const char* ElementTypeOf(const T&) {
  if constexpr (std::is_floating_point_v<T>) return "float8";
  // More than int8 has room for.
  if constexpr (std::is_same_v<T, uint64_t> || std::is_same_v<T, unsigned long long>) return "numeric";  // NOLINT
  if constexpr (std::is_same_v<T, bool>) return "bool";
  if constexpr (std::is_integral_v<T>) return sizeof(T) < 4 || std::is_same_v<T, int32_t> ? "int4" : "int8";
  return "";
}
inline const char* ElementTypeOf(const std::string&) { return "text"; }
inline const char* ElementTypeOf(absl::string_view) { return "text"; }
inline const char* ElementTypeOf(const char*) { return "text"; }
inline const char* ElementTypeOf(absl::Time) { return "timestamptz"; }
inline const char* ElementTypeOf(absl::CivilDay) { return "date"; }
inline const char* ElementTypeOf(absl::Duration) { return "interval"; }
inline const char* ElementTypeOf(const Bytes&) { return "bytea"; }
inline const char* ElementTypeOf(const Numeric&) { return "numeric"; }
inline const char* ElementTypeOf(const Json&) { return "jsonb"; }
inline const char* ElementTypeOf(const Uuid&) { return "uuid"; }
template <typename T>
const char* ElementTypeOf(const std::optional<T>&) {
  return ElementTypeOf(T());
}
template <typename T>
const char* ElementTypeOf(const std::vector<T>&) {
  return ElementTypeOf(T());
}

// The elements of an array are of one kind, also where a value by itself may be of one or another.
template <typename T>
void SetElement(const T& value, v1::Value* out) {
  SetValue(value, out);
}
void SetElement(absl::Time value, v1::Value* out);
void SetElement(uint64_t value, v1::Value* out);
// NOLINTNEXTLINE(google-runtime-int): as above.
inline void SetElement(unsigned long long value, v1::Value* out) { SetElement(static_cast<uint64_t>(value), out); }
template <typename T>
void SetElement(const std::optional<T>& value, v1::Value* out) {
  if (value.has_value()) {
    SetElement(*value, out);
  } else {
    SetValue(nullptr, out);
  }
}

template <typename T>
void SetValue(const std::vector<T>& value, v1::Value* out) {
  v1::ArrayValue* array = out->mutable_array_value();
  array->set_element_type(ElementTypeOf(T()));
  for (const T& element : value) {
    v1::Value* inner = array->add_elements();
    SetElement(element, inner);
    // Only the outermost array names the type.
    if (!array->element_type().empty()) inner->clear_type_name();
    if (inner->kind_case() == v1::Value::kArrayValue) inner->mutable_array_value()->clear_element_type();
  }
}

template <typename T>
void SetValue(const Typed<T>& value, v1::Value* out) {
  SetValue(value.value, out);
  out->set_type_name(value.type_name);
}

}  // namespace sluice::client

#endif  // SLUICE_CLIENT_CPP_VALUE_H_
