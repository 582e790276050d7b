// sluice: the command line of a Sluice gateway. See --help.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/error_text.h"
#include "client/cli/table.h"
#include "client/cpp/database.h"
#include "server/admin/doctor.h"
#include "server/base/error.h"
#include "server/version.h"

namespace sluice::cli {
namespace {

// Exit codes, for scripts and orchestrators.
constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;       // the call failed, health is NOT_SERVING, the doctor found it unusable
constexpr int kExitUsage = 2;        // wrong arguments
constexpr int kExitUnreachable = 3;  // no gateway answered

struct Target {
  client::Database::Options options;
  std::string token_file;
};

void Print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }
void PrintError(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stderr); }

int ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  const bool from_gateway = !ReasonOf(status).empty();
  return !from_gateway && status.code() == absl::StatusCode::kUnavailable ? kExitUnreachable : kExitFailed;
}

absl::StatusOr<client::Database> Open(Target target) {
  if (!target.token_file.empty()) {
    std::ifstream file(target.token_file);
    std::getline(file, target.options.token);
    if (!file) return absl::InvalidArgumentError("can not read " + target.token_file);
  }
  return client::Database::Open(target.options);
}

int Fail(const Target& target, const absl::Status& status, absl::string_view sql = "") {
  PrintError(ErrorText(status, sql));
  const int exit_code = ExitCodeOf(status);
  if (exit_code == kExitUnreachable) {
    PrintError(absl::StrCat("Is sluiced serving at ", target.options.target, "? (--target, SLUICE_TARGET, --tls)\n"));
  }
  return exit_code;
}

// Reports a wrong option of the connection itself.
int FailToOpen(const absl::Status& status) {
  PrintError(absl::StrCat("sluice: ", status.message(), "\n"));
  return kExitUsage;
}

void PrintResult(const client::Result& result, bool json, bool csv) {
  for (const v1::Notice& notice : result.proto().notices()) {
    PrintError(absl::StrCat(notice.severity(), ": ", notice.message(), "\n"));
  }
  if (json) return Print(AsJson(result.proto()));
  if (csv) return Print(AsCsv(result.proto()));
  if (!result.proto().columns().empty()) {
    return Print(
        absl::StrCat(AsTable(result.proto()), "(", result.size(), result.size() == 1 ? " row)\n" : " rows)\n"));
  }
  const std::string& command = result.command();
  const bool counts = command == "INSERT" || command == "UPDATE" || command == "DELETE" || command == "MERGE";
  Print(counts ? absl::StrCat(command, " ", result.affected_rows(), "\n") : command + "\n");
}

struct QueryArguments {
  std::string sql;
  std::vector<std::string> params;
  bool json = false;
  bool csv = false;
  bool read_only = false;
  double timeout_seconds = 30;
};

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
  client::CallOptions options;
  options.read_only = arguments.read_only;
  options.timeout = absl::Seconds(arguments.timeout_seconds);
  const absl::StatusOr<client::Result> result = db->Execute(statement, options);
  if (!result.ok()) return Fail(target, result.status(), sql);

  PrintResult(*result, arguments.json, arguments.csv);
  return kExitOk;
}

struct BatchArguments {
  std::vector<std::string> statements;
  bool independent = false;
  bool read_only = false;
};

int RunBatch(const Target& target, const BatchArguments& arguments) {
  absl::StatusOr<client::Database> db = Open(target);
  if (!db.ok()) return FailToOpen(db.status());
  std::vector<client::Statement> statements;
  for (const std::string& sql : arguments.statements) statements.emplace_back(sql);
  client::CallOptions options;
  options.read_only = arguments.read_only;
  if (!arguments.independent) {
    const absl::StatusOr<std::vector<client::Result>> results = db->ExecuteAtomic(statements, options);
    if (!results.ok()) {
      int index = 0;
      const ErrorFacts facts = FactsOf(results.status());
      auto place = facts.metadata.find("statementIndex");
      if (place == facts.metadata.end() || !absl::SimpleAtoi(place->second, &index))
        return Fail(target, results.status());
      PrintError(absl::StrCat("Statement ", index + 1, ":\n"));
      return Fail(target, results.status(), arguments.statements[index]);
    }
    for (const client::Result& result : *results) PrintResult(result, /*json=*/false, /*csv=*/false);
    return kExitOk;
  }
  const auto results = db->ExecuteIndependent(statements, options);
  if (!results.ok()) return Fail(target, results.status());
  int exit_code = kExitOk;
  for (size_t i = 0; i < results->size(); ++i) {
    const absl::StatusOr<client::Result>& result = (*results)[i];
    if (result.ok()) {
      PrintResult(*result, /*json=*/false, /*csv=*/false);
    } else {
      exit_code = Fail(target, result.status(), arguments.statements[i]);
    }
  }
  return exit_code;
}

int RunPing(const Target& target, int count) {
  absl::StatusOr<client::Database> db = Open(target);
  if (!db.ok()) return FailToOpen(db.status());
  for (int i = 0; i < count; ++i) {
    const absl::Time begin = absl::Now();
    const absl::StatusOr<v1::PingResponse> ping = db->Ping();
    if (!ping.ok()) return Fail(target, ping.status());
    const double database_ms = ping->database_time().seconds() * 1e3 + ping->database_time().nanos() / 1e6;
    Print(absl::StrFormat("PostgreSQL %s%s: %.2f ms, of which %.2f ms to the database\n", ping->server_version(),
                          ping->in_recovery() ? " (standby)" : "", absl::ToDoubleMilliseconds(absl::Now() - begin),
                          database_ms));
  }
  return kExitOk;
}

int RunHealth(const Target& target, const std::string& service) {
  absl::StatusOr<client::Database> db = Open(target);
  if (!db.ok()) return FailToOpen(db.status());
  const absl::Status health = db->CheckHealth(service);
  if (health.ok()) {
    Print("SERVING\n");
    return kExitOk;
  }
  Print(absl::StrCat(health.message(), "\n"));
  if (health.message() == "NOT_SERVING" || health.code() == absl::StatusCode::kNotFound) return kExitFailed;
  return kExitUnreachable;
}

int RunDoctor(const std::string& url_text) {
  if (url_text.empty()) {
    PrintError("sluice doctor: which database? Give --database_url, or set DATABASE_URL.\n");
    return kExitUsage;
  }
  const absl::StatusOr<config::DatabaseUrl> url = config::ParseDatabaseUrl(url_text);
  if (!url.ok()) {
    PrintError(absl::StrCat("sluice doctor: the database URL can not be read: ", url.status().message(), "\n"));
    return kExitUsage;
  }
  const bool colour = isatty(STDOUT_FILENO) != 0;
  const bool usable = admin::Examine(*url, [colour](const admin::Finding& finding) {
    const char* mark = "ok  ";
    const char* paint = "\x1b[32m";
    if (finding.verdict == admin::Verdict::kNote) mark = "note", paint = "\x1b[33m";
    if (finding.verdict == admin::Verdict::kBad) mark = "FAIL", paint = "\x1b[31m";
    Print(absl::StrCat(colour ? paint : "", mark, colour ? "\x1b[0m" : "", "  ", finding.tried, ": ", finding.seen,
                       "\n"));
    if (!finding.advice.empty()) Print(absl::StrCat("        -> ", finding.advice, "\n"));
    std::fflush(stdout);
  });
  Print(usable ? "This database can be served.\n" : "This database can not be used as it is.\n");
  return usable ? kExitOk : kExitFailed;
}

void AddTargetOptions(CLI::App* app, Target* target) {
  target->options.target = "127.0.0.1:7432";
  app->add_option("-t,--target", target->options.target, "The gateway: host:port or unix:/path")
      ->envname("SLUICE_TARGET")
      ->capture_default_str();
  app->add_option("--token_file", target->token_file, "File with the bearer token (or set SLUICE_TOKEN)");
  app->add_flag("--tls", target->options.tls, "TLS with the system's CAs");
  app->add_option("--ca_file", target->options.ca_file, "TLS with this CA (PEM)")->envname("SLUICE_CA_FILE");
  app->add_option("--cert_file", target->options.cert_file, "Client certificate (PEM)");
  app->add_option("--key_file", target->options.key_file, "Its key (PEM)");
  if (const char* token = std::getenv("SLUICE_TOKEN")) target->options.token = token;
}

int Main(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  CLI::App app("sluice talks to a Sluice gateway, which serves PostgreSQL over gRPC.", "sluice");
  app.set_version_flag("--version", absl::StrCat("sluice ", kVersion));
  app.footer("Exit codes: 0 done, 1 the call failed, 2 wrong arguments, 3 no gateway answered.");
  app.option_defaults()->always_capture_default(false);
  Target target;
  AddTargetOptions(&app, &target);
  app.fallthrough();

  QueryArguments query;
  CLI::App* query_command = app.add_subcommand("query", "Runs one statement: sluice query 'SELECT $1::int + 1' 41");
  query_command->add_option("sql", query.sql, "The statement; - reads it from standard input")->required();
  query_command->add_option("params", query.params, "$1, $2, ... as text; \\N is NULL");
  auto* json = query_command->add_flag("--json", query.json, "Rows as JSON objects");
  query_command->add_flag("--csv", query.csv, "Rows as CSV with a header")->excludes(json);
  query_command->add_flag("--read_only", query.read_only, "In a READ ONLY transaction");
  query_command->add_option("--timeout", query.timeout_seconds, "Seconds")
      ->check(CLI::Range(0.001, 86400.0))
      ->capture_default_str();

  BatchArguments batch;
  CLI::App* batch_command =
      app.add_subcommand("batch", "Runs several statements in one transaction and one round trip");
  batch_command->add_option("statements", batch.statements, "Each one statement")->required();
  batch_command->add_flag("--independent", batch.independent, "Each in its own transaction; one may fail alone");
  batch_command->add_flag("--read_only", batch.read_only, "In a READ ONLY transaction");

  int ping_count = 1;
  CLI::App* ping_command = app.add_subcommand("ping", "Asks the database through the gateway, and how long it takes");
  ping_command->add_option("-n,--count", ping_count, "Times")->check(CLI::Range(1, 1000));

  std::string health_service;
  CLI::App* health_command = app.add_subcommand("health", "SERVING (exit code 0) or not, for orchestrators");
  health_command->add_option("service", health_service, "Empty: readiness; liveness: the process only");

  std::string database_url;
  CLI::App* doctor_command = app.add_subcommand("doctor", "Examines a database connection, without a gateway");
  doctor_command->add_option("--database_url", database_url, "As sluiced takes it")->envname("DATABASE_URL");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  // A password on the command line is seen by everybody who runs ps.
  for (int i = 1; i < argc; ++i) {
    if (std::strstr(argv[i], "://") != nullptr) std::memset(argv[i], '*', std::strlen(argv[i]));
  }
  if (query_command->parsed()) return RunQuery(target, query);
  if (batch_command->parsed()) return RunBatch(target, batch);
  if (ping_command->parsed()) return RunPing(target, ping_count);
  if (health_command->parsed()) return RunHealth(target, health_service);
  if (doctor_command->parsed()) return RunDoctor(database_url);
  PrintError(absl::StrCat(app.help()));
  return kExitUsage;
}

}  // namespace
}  // namespace sluice::cli

int main(int argc, char** argv) { return sluice::cli::Main(argc, argv); }
