#include "server/codec/column_type.h"

#include "absl/strings/str_cat.h"
#include "server/codec/types.h"

namespace sluice::codec {
namespace {

ElementForm FormOfElements(const Type& element) {
  switch (element.kind) {
    case v1::COLUMN_KIND_BOOL: return ElementForm::kBool;
    case v1::COLUMN_KIND_INT32:
    case v1::COLUMN_KIND_DOUBLE: return ElementForm::kNumber;
    // int8 does not fit the numbers of JSON readers, which are doubles.
    default: return ElementForm::kString;
  }
}

}  // namespace

std::optional<ColumnType> BuiltInColumnType(uint32_t oid, int32_t modifier) {
  ColumnType column;
  if (const Type* type = FindType(oid)) {
    column.kind = type->kind;
    column.name = FormatType(*type, modifier);
    return column;
  }
  if (const Type* element = FindElementType(oid)) {
    column.kind = v1::COLUMN_KIND_ARRAY;
    column.name = absl::StrCat(FormatType(*element, modifier), "[]");
    column.elements = FormOfElements(*element);
    // The only type with another delimiter: a box has commas of its own.
    if (absl::string_view(element->name) == "box") column.delimiter = ';';
    return column;
  }
  return std::nullopt;
}

}  // namespace sluice::codec
