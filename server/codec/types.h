#ifndef SLUICE_SERVER_CODEC_TYPES_H_
#define SLUICE_SERVER_CODEC_TYPES_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "sluice/v1/value.pb.h"

namespace sluice::codec {

// A built-in type of PostgreSQL: the only table that says how types travel. What is not
// in it (enums, domains' arrays, composites, extension types) is looked up in the
// database's own catalog.
struct Type {
  uint32_t oid;
  uint32_t array_oid;        // 0 if it has no arrays
  const char* name;          // in pg_catalog: "int4"
  const char* display_name;  // as format_type() prints it: "integer"
  v1::ColumnKind kind;
};

const Type* FindType(uint32_t oid);
// The type of the elements of this array type.
const Type* FindElementType(uint32_t array_oid);
// By the name in pg_catalog, or one of the SQL standard's ("double precision", "int"),
// in lower case with single spaces.
const Type* FindTypeByName(absl::string_view name);

// As format_type() prints it: "numeric(12,2)", "timestamp(3) with time zone".
std::string FormatType(const Type& type, int32_t modifier);

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_TYPES_H_
