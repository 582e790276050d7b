#ifndef SLUICE_SERVER_SQL_SHAPE_H_
#define SLUICE_SERVER_SQL_SHAPE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice::sql {

// What is alike in statements that differ in their values only, and may be shown to operators, since no value is in it:
//   select * from orders where id = ? and state in(?)
// (But what stands in double quotes is a name, and stays: also where somebody took it for a string.)
struct Shape {
  // Unquoted words in lower case, each value (but not its sign) and each list of them as "?", comments left out; at
  // most 1,000 bytes, of the first 64 KiB.
  std::string text;
  // Of those 64 KiB, also where `text` is cut; not the same from release to release.
  uint64_t fingerprint = 0;
};

// Of a text that can not be read (a string without its end) the text is "?", since a value could be anywhere.
Shape ShapeOf(absl::string_view statement);

}  // namespace sluice::sql

#endif  // SLUICE_SERVER_SQL_SHAPE_H_
