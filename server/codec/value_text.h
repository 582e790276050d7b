#ifndef SLUICE_SERVER_CODEC_VALUE_TEXT_H_
#define SLUICE_SERVER_CODEC_VALUE_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "sluice/v1/value.pb.h"

namespace sluice::codec {

// A value in PostgreSQL's own text form, before any quoting.
struct ValueText {
  std::string text;
  bool is_null = false;
  // The type its kind implies, ready for SQL: pg_catalog."int8". Empty for a text or a
  // null, whose type PostgreSQL infers.
  std::string type;
};

// The shortest text that reads back as the same bits; "NaN", "-Infinity".
std::string DoubleText(double value);

// Each form reads the same under every DateStyle, IntervalStyle and TimeZone. `index` is
// the n of $n, for errors: PARAMETER_INVALID, REQUEST_TOO_LARGE.
absl::StatusOr<ValueText> TextOf(const v1::Value& value, int index);

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_VALUE_TEXT_H_
