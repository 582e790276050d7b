#ifndef SLUICE_SERVER_CODEC_COLUMN_TYPE_H_
#define SLUICE_SERVER_CODEC_COLUMN_TYPE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "sluice/v1/value.pb.h"

namespace sluice::codec {

// How the elements of an array stand in JSON.
enum class ElementForm { kNumber, kBool, kString };

// What a column's values are and how they travel.
struct ColumnType {
  v1::ColumnKind kind = v1::COLUMN_KIND_OTHER;
  std::string name;  // as format_type() prints it; empty if not known
  // For COLUMN_KIND_ARRAY.
  ElementForm elements = ElementForm::kString;
  char delimiter = ',';
  // For COLUMN_KIND_BYTES: the bytes are those of the text form, which is not UTF-8, instead of
  // a bytea's.
  bool form_is_raw = false;
};

// Of a type that is built in; nullopt for one that only the database's catalog knows.
std::optional<ColumnType> BuiltInColumnType(uint32_t oid, int32_t modifier);

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_COLUMN_TYPE_H_
