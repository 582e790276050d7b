#include "client/cli/report.h"

#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/error_text.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"
#include "client/cpp/error.h"
#include "server/base/file.h"
#include "server/base/status_macros.h"

namespace sluice::cli {

void Print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }
void PrintError(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stderr); }

int ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  const bool reached = client::IsFromGateway(status) || client::OutcomeOf(status) != v1::OUTCOME_NOT_STARTED;
  return reached ? kExitFailed : kExitUnreachable;
}

absl::StatusOr<client::Database::Options> OptionsWithToken(const Target& target) {
  client::Database::Options options = target.options;
  if (target.token_file.empty()) return options;
  ASSIGN_OR_RETURN(const std::string text, ReadFile(target.token_file));
  // A mounted secret often ends with a newline.
  options.token = std::string(absl::StripAsciiWhitespace(text));
  if (options.token.empty()) return absl::InvalidArgumentError(target.token_file + " is empty");
  return options;
}

absl::StatusOr<client::Database> Open(const Target& target) {
  ASSIGN_OR_RETURN(const client::Database::Options options, OptionsWithToken(target));
  return client::Database::Open(options);
}

std::string WhereItLooked(const Target& target) {
  return absl::StrCat("Is sluiced serving at ", Printable(target.options.target),
                      "? (--target, SLUICE_TARGET, --tls)\n");
}

int Fail(const Target& target, const absl::Status& status, absl::string_view sql) {
  PrintError(ErrorText(status, sql));
  const int exit_code = ExitCodeOf(status);
  if (exit_code == kExitUnreachable) PrintError(WhereItLooked(target));
  return exit_code;
}

int FailToOpen(const absl::Status& status) {
  PrintError(absl::StrCat("sluice: ", status.message(), "\n"));
  return kExitUsage;
}

void PrintNotices(const google::protobuf::RepeatedPtrField<v1::Notice>& notices) {
  for (const v1::Notice& notice : notices) {
    PrintError(absl::StrCat(Printable(notice.severity()), ": ", PrintableLines(notice.message()), "\n"));
  }
}

void PrintResult(const client::Result& result, Format format) {
  PrintNotices(result.proto().notices());
  if (format == Format::kJson) return Print(AsJson(result.proto()));
  if (format == Format::kCsv) return Print(AsCsv(result.proto()));
  TableWriter writer(/*expanded=*/false);
  Print(writer.Rows(result.proto()));
  Print(writer.End(result.proto(), result.proto().command(), result.proto().row_count()));
}

}  // namespace sluice::cli
