#ifndef SLUICE_SERVER_BASE_STATUS_MACROS_H_
#define SLUICE_SERVER_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define SLUICE_CONCAT_INNER(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_INNER(a, b)

// Returns the error of an absl::Status expression, if it is one.
#define RETURN_IF_ERROR(expression)                \
  do {                                             \
    absl::Status sluice_status = (expression);     \
    if (!sluice_status.ok()) return sluice_status; \
  } while (false)

// ASSIGN_OR_RETURN(Caller caller, Identify(context)): the value, or returns the error.
#define ASSIGN_OR_RETURN(declaration, expression) \
  ASSIGN_OR_RETURN_INNER(SLUICE_CONCAT(sluice_or_, __LINE__), declaration, expression)

// NOLINTBEGIN(bugprone-macro-parentheses): a declaration takes none.
#define ASSIGN_OR_RETURN_INNER(status_or, declaration, expression) \
  auto status_or = (expression);                                   \
  if (!status_or.ok()) return std::move(status_or).status();       \
  declaration = *std::move(status_or)
// NOLINTEND(bugprone-macro-parentheses)

#endif  // SLUICE_SERVER_BASE_STATUS_MACROS_H_
