#include "client/cli/commands.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/cli/error_text.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"
#include "client/cpp/error.h"
#include "server/admin/doctor.h"
#include "server/admin/setup.h"

namespace sluice::cli {
namespace {

// Of any size: each batch is printed as it comes.
absl::Status StreamCsv(const client::Database& db, const client::Statement& statement,
                       const client::CallOptions& options) {
  client::RowStream rows = db.Stream(statement, options);
  bool has_header = false;
  while (rows.NextBatch()) {
    if (!has_header) Print(CsvHeader(rows.batch()));
    has_header = true;
    Print(CsvRows(rows.batch()));
  }
  if (!rows.status().ok()) return rows.status();
  if (!has_header) Print(CsvHeader(rows.batch()));
  PrintNotices(rows.summary().notices());
  return absl::OkStatus();
}

// CSV has a part for each statement, empty if it gave no rows.
void PrintSeparator(Format format) {
  if (format == Format::kCsv) Print("\r\n");
}

// One document, however many statements there are.
void PrintJsonArray(const std::vector<std::string>& objects) {
  Print(absl::StrCat("[\n  ", absl::StrJoin(objects, ",\n  "), "\n]\n"));
}

client::CallOptions OptionsOf(const CallArguments& call) {
  client::CallOptions options;
  options.read_only = call.read_only;
  options.timeout = absl::Seconds(call.timeout_seconds);
  options.request_id = call.request_id;
  return options;
}

}  // namespace

int RunQuery(const Target& target, const QueryArguments& arguments) {
  absl::StatusOr<client::Database> db = Open(target);
  if (!db.ok()) return FailToOpen(db.status());
  std::string sql = arguments.sql;
  if (sql == "-") sql.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  client::Statement statement(sql);
  for (const std::string& param : arguments.params) {
    v1::Value* value = statement.mutable_proto()->add_params();
    // As in COPY: the only text that is not taken as it stands.
    param == "\\N" ? client::SetValue(nullptr, value) : client::SetValue(param, value);
  }
  // What is streamed can not be kept.
  if (arguments.call.format == Format::kCsv && arguments.call.request_id.empty()) {
    const absl::Status streamed = StreamCsv(*db, statement, OptionsOf(arguments.call));
    // A gateway with one connection has none for streams.
    if (client::ReasonOf(streamed) != "HELD_CALLS_OFF") return streamed.ok() ? kExitOk : Fail(target, streamed, sql);
  }
  const absl::StatusOr<client::Result> result = db->Execute(statement, OptionsOf(arguments.call));
  if (!result.ok()) return Fail(target, result.status(), sql);

  PrintResult(*result, arguments.call.format);
  return kExitOk;
}

namespace {

void PrintResults(const std::vector<client::Result>& results, Format format) {
  std::vector<std::string> objects;
  for (size_t i = 0; i < results.size(); ++i) {
    if (format != Format::kJson) {
      PrintResult(results[i], format);
      if (i + 1 < results.size()) PrintSeparator(format);
      continue;
    }
    PrintNotices(results[i].proto().notices());
    objects.push_back(AsJsonObject(results[i].proto()));
  }
  if (format == Format::kJson) PrintJsonArray(objects);
}

int RunAtomic(const Target& target, const client::Database& db, const std::vector<client::Statement>& statements,
              const BatchArguments& arguments) {
  const absl::StatusOr<std::vector<client::Result>> results = db.ExecuteAtomic(statements, OptionsOf(arguments.call));
  if (results.ok()) {
    PrintResults(*results, arguments.call.format);
    return kExitOk;
  }
  size_t index = 0;
  const client::ErrorFacts facts = client::FactsOf(results.status());
  auto place = facts.metadata.find("statementIndex");
  const bool known = place != facts.metadata.end() && absl::SimpleAtoi(place->second, &index);
  if (!known || index >= arguments.statements.size()) return Fail(target, results.status());
  PrintError(absl::StrCat("Statement ", index + 1, ":\n"));
  return Fail(target, results.status(), arguments.statements[index]);
}

int RunIndependent(const Target& target, const client::Database& db, const std::vector<client::Statement>& statements,
                   const BatchArguments& arguments) {
  const auto results = db.ExecuteIndependent(statements, OptionsOf(arguments.call));
  if (!results.ok()) return Fail(target, results.status());
  int exit_code = kExitOk;
  std::vector<std::string> objects;
  for (size_t i = 0; i < results->size(); ++i) {
    const absl::StatusOr<client::Result>& result = (*results)[i];
    if (!result.ok()) {
      PrintError(absl::StrCat("Statement ", i + 1, ":\n"));
      exit_code = Fail(target, result.status(), arguments.statements[i]);
      objects.push_back(ErrorJson(result.status()));
    } else if (arguments.call.format == Format::kJson) {
      PrintNotices(result->proto().notices());
      objects.push_back(AsJsonObject(result->proto()));
    } else {
      PrintResult(*result, arguments.call.format);
    }
    if (i + 1 < results->size()) PrintSeparator(arguments.call.format);
  }
  if (arguments.call.format == Format::kJson) PrintJsonArray(objects);
  return exit_code;
}

}  // namespace

int RunBatch(const Target& target, const BatchArguments& arguments) {
  absl::StatusOr<client::Database> db = Open(target);
  if (!db.ok()) return FailToOpen(db.status());
  std::vector<client::Statement> statements;
  for (const std::string& sql : arguments.statements) statements.emplace_back(sql);
  return arguments.independent ? RunIndependent(target, *db, statements, arguments)
                               : RunAtomic(target, *db, statements, arguments);
}

int RunPing(const Target& target, const PingArguments& arguments) {
  absl::StatusOr<client::Database> db = Open(target);
  if (!db.ok()) return FailToOpen(db.status());
  for (int i = 0; i < arguments.count; ++i) {
    const absl::Time begin = absl::Now();
    const absl::StatusOr<v1::PingResponse> ping = db->Ping(absl::Seconds(arguments.timeout_seconds));
    if (!ping.ok()) {
      if (client::IsFromGateway(ping.status())) return Fail(target, ping.status());
      // Here is nothing that may have been done.
      PrintError(absl::StrCat("No answer: ", Printable(ping.status().message()), "\n", WhereItLooked(target)));
      return kExitUnreachable;
    }
    const double database_ms = ping->database_time().seconds() * 1e3 + ping->database_time().nanos() / 1e6;
    Print(absl::StrFormat("PostgreSQL %s%s: %.2f ms, of which %.2f ms to the database\n", ping->server_version(),
                          ping->in_recovery() ? " (standby)" : "", absl::ToDoubleMilliseconds(absl::Now() - begin),
                          database_ms));
  }
  return kExitOk;
}

int RunHealth(const Target& target, const HealthArguments& arguments) {
  absl::StatusOr<client::Database> db = Open(target);
  if (!db.ok()) return FailToOpen(db.status());
  const absl::Status health = db->CheckHealth(arguments.service, absl::Seconds(arguments.timeout_seconds));
  if (health.ok()) {
    Print("SERVING\n");
    return kExitOk;
  }
  Print(absl::StrCat(health.message(), "\n"));
  if (health.message() == "NOT_SERVING" || health.code() == absl::StatusCode::kNotFound) return kExitFailed;
  return kExitUnreachable;
}

namespace {

absl::StatusOr<config::DatabaseUrl> UrlOf(const std::string& text, absl::string_view command) {
  if (text.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(command, ": which database? Give --database_url, or set DATABASE_URL.\n"));
  }
  absl::StatusOr<config::DatabaseUrl> url = config::ParseDatabaseUrl(text);
  if (url.ok()) return url;
  return absl::InvalidArgumentError(
      absl::StrCat(command, ": the database URL can not be read: ", url.status().message(), "\n"));
}

int FailForUrl(const absl::Status& status) {
  PrintError(std::string(status.message()));
  return kExitUsage;
}

}  // namespace

int RunSetup(const SetupArguments& arguments) {
  if (arguments.print) {
    Print(admin::SetupScript(arguments.role));
    return kExitOk;
  }
  const absl::StatusOr<config::DatabaseUrl> url = UrlOf(arguments.database_url, "sluice setup");
  if (!url.ok()) return FailForUrl(url.status());
  const absl::StatusOr<bool> made = admin::SetUp(*url, arguments.role);
  if (!made.ok()) {
    PrintError(absl::StrCat("sluice setup: ", Printable(made.status().message()), "\n"));
    return kExitFailed;
  }
  Print(*made ? "sluice.requests is there: calls may have a request_id now.\n"
        : arguments.role.empty()
            ? "sluice.requests was there already; nothing was changed.\n"
            : "sluice.requests was there already; nothing was made, what the role needs was granted.\n");
  return kExitOk;
}

int RunDoctor(const std::string& url_text) {
  const absl::StatusOr<config::DatabaseUrl> url = UrlOf(url_text, "sluice doctor");
  if (!url.ok()) return FailForUrl(url.status());
  const bool colour = isatty(STDOUT_FILENO) != 0;
  const bool usable = admin::Examine(*url, [colour](const admin::Finding& finding) {
    const char* mark = "ok  ";
    const char* paint = "\x1b[32m";
    if (finding.verdict == admin::Verdict::kNote) mark = "note", paint = "\x1b[33m";
    if (finding.verdict == admin::Verdict::kBad) mark = "FAIL", paint = "\x1b[31m";
    Print(absl::StrCat(colour ? paint : "", mark, colour ? "\x1b[0m" : "", "  ", Printable(finding.tried), ": ",
                       Printable(finding.seen), "\n"));
    if (!finding.advice.empty()) Print(absl::StrCat("        -> ", Printable(finding.advice), "\n"));
    std::fflush(stdout);
  });
  Print(usable ? "This database can be served.\n" : "This database can not be used as it is.\n");
  return usable ? kExitOk : kExitFailed;
}

}  // namespace sluice::cli
