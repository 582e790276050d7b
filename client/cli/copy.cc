// sluice copy: a table, or a query's rows, as COPY writes and reads them.

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/report.h"
#include "client/cli/terminal.h"

namespace sluice::cli {
namespace {

v1::CopyFormat FormatOf(const CopyArguments& arguments) {
  v1::CopyFormat format;
  format.set_kind(arguments.csv      ? v1::CopyFormat::CSV
                  : arguments.binary ? v1::CopyFormat::BINARY
                                     : v1::CopyFormat::TEXT);
  format.set_header(arguments.header);
  format.set_delimiter(arguments.delimiter);
  format.set_quote(arguments.quote);
  format.set_escape(arguments.escape);
  if (arguments.null.has_value()) format.set_null(*arguments.null);
  return format;
}

client::CallOptions OptionsOf(const CopyArguments& arguments) {
  client::CallOptions options = client::Database::StreamOptions();
  options.timeout = absl::Seconds(arguments.timeout_seconds);
  return options;
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

File OpenFile(const CopyArguments& arguments) {
  const auto keep = [](std::FILE*) { return 0; };
  if (arguments.file.empty()) return {arguments.is_in ? stdin : stdout, keep};
  return {std::fopen(arguments.file.c_str(), arguments.is_in ? "rb" : "wb"), std::fclose};
}

int FailAtFile(const CopyArguments& arguments, const char* consequence) {
  const std::string name =
      arguments.file.empty() ? (arguments.is_in ? "standard input" : "standard output") : Printable(arguments.file);
  PrintError(absl::StrCat("sluice copy: ", name, ": ", std::strerror(errno), consequence, "\n"));
  return kExitFailed;
}

int CopyIn(const Target& target, const client::Database& db, const CopyArguments& arguments, std::FILE* file) {
  client::CopyWriter writer =
      db.CopyIn(client::Table(arguments.table, arguments.columns), FormatOf(arguments), OptionsOf(arguments));
  std::string piece(256 << 10, '\0');
  for (bool goes_on = true; goes_on;) {
    const size_t read = std::fread(piece.data(), 1, piece.size(), file);
    goes_on = read > 0 && writer.Write(absl::string_view(piece.data(), read));
  }
  // Half of a file is not committed.
  if (std::ferror(file) != 0) return FailAtFile(arguments, "; nothing was committed");
  const absl::StatusOr<int64_t> rows = writer.Commit();
  if (!rows.ok()) return Fail(target, rows.status());
  PrintNotices(writer.response().notices());
  PrintError(absl::StrCat("COPY ", *rows, "\n"));
  return kExitOk;
}

int CopyOut(const Target& target, const client::Database& db, const CopyArguments& arguments) {
  client::CopyReader reader =
      arguments.query.empty()
          ? db.CopyOut(client::Table(arguments.table, arguments.columns), FormatOf(arguments), OptionsOf(arguments))
          : db.CopyOut(client::Statement(arguments.query), FormatOf(arguments), OptionsOf(arguments));
  std::string piece;
  bool goes_on = reader.Read(&piece);
  if (!goes_on && !reader.status().ok()) return Fail(target, reader.status(), arguments.query);
  // Not before there is something to write: what was there is not lost to a table that is not.
  const File file = OpenFile(arguments);
  if (file == nullptr) return FailAtFile(arguments, "; nothing was written");
  for (; goes_on; goes_on = reader.Read(&piece)) {
    if (std::fwrite(piece.data(), 1, piece.size(), file.get()) != piece.size()) {
      return FailAtFile(arguments, "; the copy is not whole");
    }
  }
  if (!reader.status().ok()) return Fail(target, reader.status(), arguments.query);
  if (std::fflush(file.get()) != 0) return FailAtFile(arguments, "; the copy is not whole");
  PrintNotices(reader.summary().notices());
  PrintError(absl::StrCat("COPY ", reader.summary().row_count(), "\n"));
  return kExitOk;
}

}  // namespace

int RunCopy(const Target& target, const CopyArguments& arguments) {
  absl::StatusOr<client::Database> db = Open(target);
  if (!db.ok()) return FailToOpen(db.status());
  if (!arguments.is_in) return CopyOut(target, *db, arguments);
  const File file = OpenFile(arguments);
  if (file == nullptr) return FailAtFile(arguments, "; nothing was run");
  return CopyIn(target, *db, arguments, file.get());
}

}  // namespace sluice::cli
