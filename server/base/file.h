#ifndef SLUICE_SERVER_BASE_FILE_H_
#define SLUICE_SERVER_BASE_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace sluice {

// All of a file. NOT_FOUND if there is none of this name; else INVALID_ARGUMENT, with the system's
// reason. Of a pipe, waits for whoever writes into it, for as long as 5 s without a byte.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace sluice

#endif  // SLUICE_SERVER_BASE_FILE_H_
