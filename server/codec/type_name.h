#ifndef SLUICE_SERVER_CODEC_TYPE_NAME_H_
#define SLUICE_SERVER_CODEC_TYPE_NAME_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice::codec {

// A type that a caller named, as it may stand behind `::` in a statement:
//   "int4", "integer", "double precision"  ->  pg_catalog.int4, ...
//   "int4[]"                               ->  pg_catalog._int4
//   "app.mood", "app.\"Mood\"[]"           ->  "app"."mood", "app"."Mood"[]
//
// A type that is not built in needs its schema: pg_temp is searched first for plain
// names, so a temporary type that somebody left in a pooled session would be taken.
// Lengths and precisions are refused. The error's message completes "$1: ".
absl::StatusOr<std::string> RenderTypeName(absl::string_view type_name);

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_TYPE_NAME_H_
