#ifndef SLUICE_SERVER_POSTGRES_CONDITION_NAMES_H_
#define SLUICE_SERVER_POSTGRES_CONDITION_NAMES_H_

#include "absl/strings/string_view.h"

namespace sluice::postgres {

// The name of a SQLSTATE, as ErrorInfo.reason has it: "23505" -> "UNIQUE_VIOLATION".
// Empty for a code that PostgreSQL does not define (RAISE ... USING ERRCODE).
absl::string_view ConditionName(absl::string_view sqlstate);

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_CONDITION_NAMES_H_
