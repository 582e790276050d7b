#ifndef SLUICE_SERVER_SQL_SHAPE_H_
#define SLUICE_SERVER_SQL_SHAPE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice::sql {

// What is alike in statements that differ in their values only, and may be shown to anybody, since no value is in it:
//   select * from orders where id = ? and state in (?)
struct Shape {
  // Unquoted words in lower case, each value and each list of them as "?", comments left out; at most 1,000 bytes.
  std::string text;
  // Of the whole text, also where `text` is cut; not the same from release to release.
  uint64_t fingerprint = 0;
};

// Of a text that can not be read (a string without its end) the text is "?", since a value could be anywhere.
Shape ShapeOf(absl::string_view statement);

}  // namespace sluice::sql

#endif  // SLUICE_SERVER_SQL_SHAPE_H_
