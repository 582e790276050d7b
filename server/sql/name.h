#ifndef SLUICE_SERVER_SQL_NAME_H_
#define SLUICE_SERVER_SQL_NAME_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sluice::sql {

// INVALID_FIELD for what can be no name: it has 1 to 63 bytes (PostgreSQL would cut it there), and no NUL.
absl::Status CheckName(absl::string_view name, absl::string_view field);

// A name as it stands in a statement, whatever is in it: my "table" -> "my ""table""".
std::string QuotedName(absl::string_view name);

}  // namespace sluice::sql

#endif  // SLUICE_SERVER_SQL_NAME_H_
