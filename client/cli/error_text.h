#ifndef SLUICE_CLIENT_CLI_ERROR_TEXT_H_
#define SLUICE_CLIENT_CLI_ERROR_TEXT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sluice::cli {

// An error for people: what, where in the statement, and what became of the work.
std::string ErrorText(const absl::Status& status, absl::string_view sql);

// The same for programs: {"error": {"code": "ABORTED", "reason": ..., "outcome": ..., "message": ...}}.
std::string ErrorJson(const absl::Status& status);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_ERROR_TEXT_H_
