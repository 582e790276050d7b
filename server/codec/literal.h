#ifndef SLUICE_SERVER_CODEC_LITERAL_H_
#define SLUICE_SERVER_CODEC_LITERAL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sluice/v1/value.pb.h"

namespace sluice::codec {

// A parameter as it may stand in a statement.
struct Literal {
  // ('5'::pg_catalog."int8"), (NULL), (E'\\x00'::pg_catalog."bytea")
  std::string text;
  // Where its string lies in `text`; empty for NULL.
  size_t string_begin = 0;
  size_t string_end = 0;
};

// Renders a value. The only function that writes a caller's bytes into SQL: whatever
// needs a literal comes here (other drivers had two renderers, and fixed one).
// Always in parentheses, always quoted, cast to a schema-qualified type, or, for text
// without a type, left for PostgreSQL to infer. `index` is the n of $n, for errors:
// PARAMETER_INVALID, REQUEST_TOO_LARGE (an array of more than 100,000 elements).
absl::StatusOr<Literal> RenderLiteral(const v1::Value& value, int index);

// An upper bound for the size of RenderLiteral's text, without rendering it.
size_t LiteralSizeMax(const v1::Value& value);

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_LITERAL_H_
