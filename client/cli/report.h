#ifndef SLUICE_CLIENT_CLI_REPORT_H_
#define SLUICE_CLIENT_CLI_REPORT_H_

// What the commands have in common: the way to the gateway, and what they print of results and errors.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cli/commands.h"
#include "client/cpp/database.h"

namespace sluice::cli {

void Print(const std::string& text);
void PrintError(const std::string& text);

// With what is in its token file.
absl::StatusOr<client::Database::Options> OptionsWithToken(const Target& target);
absl::StatusOr<client::Database> Open(const Target& target);
std::string WhereItLooked(const Target& target);

// A script may take kExitUnreachable for "nothing was done".
int ExitCodeOf(const absl::Status& status);
// Print what went wrong, of a statement or of an option of the connection itself; and return the exit code.
int Fail(const Target& target, const absl::Status& status, absl::string_view sql = "");
int FailToOpen(const absl::Status& status);
// The same of a call to the operators' port.
int FailAsOperator(const Target& target, const absl::Status& status);

void PrintNotices(const google::protobuf::RepeatedPtrField<v1::Notice>& notices);
void PrintResult(const client::Result& result, Format format);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_REPORT_H_
