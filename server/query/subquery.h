#ifndef SLUICE_SERVER_QUERY_SUBQUERY_H_
#define SLUICE_SERVER_QUERY_SUBQUERY_H_

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"

namespace sluice::query {

// What of a statement counts when it is put between parentheses.
struct Subquery {
  // Without its semicolon, and what is behind.
  absl::string_view text;
  bool has_returning = false;
  // The byte of a parenthesis that it did not open: it would end the one around it.
  std::optional<size_t> closes_too_much_at;
};

// Reads `statement`, which is one, as standard_conforming_strings = on.
Subquery ReadAsSubquery(absl::string_view statement);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_SUBQUERY_H_
