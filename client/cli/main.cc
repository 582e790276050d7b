// sluice: the command line of a Sluice gateway. See --help.

#include <grpc/support/log.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/commands.h"
#include "server/base/arguments.h"
#include "server/version.h"

namespace sluice::cli {
namespace {

// Each command registers its options and, if it is the one that was given, sets `run`.
using Run = std::function<int()>;

void AddTargetOptions(CLI::App* app, Target* target) {
  target->options.target = "127.0.0.1:7432";
  app->add_option("-t,--target", target->options.target, "The gateway: host:port or unix:/path")
      ->envname("SLUICE_TARGET")
      ->capture_default_str();
  target->admin_target = "127.0.0.1:7434";
  app->add_option("--admin_target", target->admin_target, "Its operators' port, for top and admin: host:port")
      ->envname("SLUICE_ADMIN_TARGET")
      ->capture_default_str();
  app->add_option("--token_file", target->token_file, "File with the bearer token (or set SLUICE_TOKEN)");
  app->add_flag("--tls", target->options.tls, "TLS with the system's CAs");
  app->add_option("--ca_file", target->options.ca_file, "TLS with this CA (PEM)")->envname("SLUICE_CA_FILE");
  app->add_option("--cert_file", target->options.cert_file, "Client certificate (PEM)");
  app->add_option("--key_file", target->options.key_file, "Its key (PEM)");
  if (const char* token = std::getenv("SLUICE_TOKEN")) {
    // A mounted secret often ends with a newline.
    target->options.token = std::string(absl::StripTrailingAsciiWhitespace(token));
  }
}

// CLI::Range lets "nan" through.
std::string CheckSeconds(const std::string& text) {
  double seconds = 0;
  const bool good = absl::SimpleAtod(text, &seconds) && seconds >= 0.001 && seconds <= 86400;
  return good ? "" : "must be from 0.001 to 86400";
}

std::string CheckGrace(const std::string& text) {
  double seconds = 0;
  const bool good = absl::SimpleAtod(text, &seconds) && seconds >= 0 && seconds <= 3600;
  return good ? "" : "must be from 0 to 3600";
}

void AddTimeout(CLI::App* command, double* seconds) {
  command->add_option("--timeout", *seconds, "Seconds")->check(CheckSeconds)->capture_default_str();
}

void AddCallOptions(CLI::App* command, CallArguments* call) {
  const auto choose = [call](Format format) { return [call, format](int64_t) { call->format = format; }; };
  auto* json = command->add_flag_function("--json", choose(Format::kJson), "Rows as JSON objects");
  command->add_flag_function("--csv", choose(Format::kCsv), "Rows as CSV with a header")->excludes(json);
  auto* read_only = command->add_flag("--read_only", call->read_only, "In a READ ONLY transaction");
  command
      ->add_option("--request_id", call->request_id,
                   "Done once, however often it is run with this id within ten minutes (see sluice setup)")
      ->excludes(read_only);
  AddTimeout(command, &call->timeout_seconds);
}

// What CLI11 could not place: behind a statement its parameters, elsewhere a mistake. A mistyped
// option is no parameter. (An option of CLI11 for them would take [a,b] for two.)
std::vector<std::string> Parameters(const CLI::App& app) {
  std::vector<std::string> words = app.remaining(/*recurse=*/true);
  for (const std::string& word : words) {
    if (absl::StartsWith(word, "--")) throw CLI::ExtrasError("query", {word + " (a parameter? Behind a --, then)"});
  }
  return words;
}

void AddQuery(CLI::App* app, const Target& target, QueryArguments* query, Run* run) {
  CLI::App* command = app->add_subcommand("query", "Runs one statement: sluice query 'SELECT $1::int + 1' 41");
  command->add_option("sql", query->sql, "The statement; - reads it from standard input");
  command->footer("Behind the statement: $1, $2, ... as text; \\N is NULL. What begins with -- stands behind a --.");
  AddCallOptions(command, &query->call);
  command->callback([&target, app, query, run] {
    // What stood behind a -- is there already: TakeVerbatim.
    std::vector<std::string> words = Parameters(*app);
    query->params.insert(query->params.begin(), words.begin(), words.end());
    if (query->sql.empty() && !query->params.empty()) {
      query->sql = query->params.front();
      query->params.erase(query->params.begin());
    }
    if (query->sql.empty()) throw CLI::RequiredError("sql");
    *run = [&target, query] { return RunQuery(target, *query); };
  });
}

// Takes what stands behind a query's -- away from CLI11, which would not tell it from the rest.
std::vector<std::string> TakeVerbatim(int* argc, char** argv) {
  char** const end = argv + *argc;
  const auto is = [](const char* what) { return [what](const char* word) { return std::strcmp(word, what) == 0; }; };
  char** const separator = std::find_if(std::find_if(argv, end, is("query")), end, is("--"));
  if (separator == end) return {};
  *argc = static_cast<int>(separator - argv);
  return std::vector<std::string>(separator + 1, end);
}

void AddBatch(CLI::App* app, const Target& target, BatchArguments* batch, Run* run) {
  CLI::App* command = app->add_subcommand("batch", "Runs several statements in one transaction and one round trip");
  command->add_option("statements", batch->statements, "Each one statement")->required();
  command->add_flag("--independent", batch->independent, "Each in its own transaction; one may fail alone");
  AddCallOptions(command, &batch->call);
  command->callback([&target, batch, run] { *run = [&target, batch] { return RunBatch(target, *batch); }; });
}

void AddCopy(CLI::App* app, const Target& target, CopyArguments* copy, Run* run) {
  CLI::App* command =
      app->add_subcommand("copy", "Loads or dumps a table: sluice copy in app.events --csv < events.csv");
  command->require_subcommand(1);
  for (const bool is_in : {true, false}) {
    CLI::App* way = is_in ? command->add_subcommand("in", "From standard input into a table: all of it or nothing")
                          : command->add_subcommand("out", "A table, or a query's rows, to standard output");
    CLI::Option* table = way->add_option("table", copy->table, "Its name as it is; app.events is one in a schema");
    CLI::Option* columns = way->add_option("--columns", copy->columns, "Some of its columns: id,name")->delimiter(',');
    if (is_in) {
      table->required();
    } else {
      way->add_option("--query", copy->query, "A query instead of a table")->excludes(table)->excludes(columns);
    }
    CLI::Option* csv = way->add_flag("--csv", copy->csv, "CSV rather than COPY's own text format");
    way->add_flag("--binary", copy->binary, "COPY's binary format")->excludes(csv);
    way->add_flag("--header", copy->header, "A first line with the columns' names");
    way->add_option("--delimiter", copy->delimiter, "One character; of CSV a comma, else a tab");
    way->add_option("--null", copy->null, "What stands for NULL; of CSV nothing, else \\N");
    way->add_option("--quote", copy->quote, "CSV: one character, a double quote");
    way->add_option("--escape", copy->escape, "CSV: one character, a double quote");
    way->add_option("-f,--file", copy->file, is_in ? "Read from" : "Written to");
    AddTimeout(way, &copy->timeout_seconds);
    way->callback([&target, copy, is_in, run] {
      copy->is_in = is_in;
      if (copy->table.empty() && copy->query.empty()) throw CLI::RequiredError("table or --query");
      *run = [&target, copy] { return RunCopy(target, *copy); };
    });
  }
}

void AddListen(CLI::App* app, const Target& target, ListenArguments* listen, Run* run) {
  CLI::App* command = app->add_subcommand("listen", "Prints what is notified on channels, a line each");
  command->add_option("channels", listen->channels, "Names as they are")->required();
  command->add_flag("--json", listen->json, "JSON objects instead of channel, tab, payload");
  command->add_option("-n,--count", listen->count, "Ends after so many")->check(CLI::PositiveNumber);
  command->callback([&target, listen, run] { *run = [&target, listen] { return RunListen(target, *listen); }; });
}

void AddShell(CLI::App* app, const Target& target, ShellArguments* shell, Run* run) {
  CLI::App* command = app->add_subcommand("shell", "A prompt for statements; \\? helps there");
  command->add_flag("--timing", shell->timing, "Begins with \\timing on");
  command->add_flag("--read_only", shell->read_only, "Every statement in a READ ONLY transaction");
  command->callback([&target, shell, run] { *run = [&target, shell] { return RunShell(target, *shell); }; });
}

void AddPing(CLI::App* app, const Target& target, PingArguments* ping, Run* run) {
  CLI::App* command = app->add_subcommand("ping", "Asks the database through the gateway, and how long it takes");
  command->add_option("-n,--count", ping->count, "Times")->check(CLI::Range(1, 1000));
  AddTimeout(command, &ping->timeout_seconds);
  command->callback([&target, ping, run] { *run = [&target, ping] { return RunPing(target, *ping); }; });
}

void AddHealth(CLI::App* app, const Target& target, HealthArguments* health, Run* run) {
  CLI::App* command = app->add_subcommand("health", "SERVING (exit code 0) or not, for orchestrators");
  command->add_option("service", health->service, "Empty: readiness; liveness: the process only");
  AddTimeout(command, &health->timeout_seconds);
  command->callback([&target, health, run] { *run = [&target, health] { return RunHealth(target, *health); }; });
}

void AddTop(CLI::App* app, const Target& target, TopArguments* top, Run* run) {
  CLI::App* command = app->add_subcommand("top", "What a gateway is doing, every second");
  command->add_option("-i,--interval", top->interval_seconds, "Seconds")->check(CheckSeconds)->capture_default_str();
  command->add_option("-n,--count", top->count, "Prints it so many times, instead of on a screen of its own")
      ->check(CLI::PositiveNumber);
  command->callback([&target, top, run] { *run = [&target, top] { return RunTop(target, *top); }; });
}

void AddAdmin(CLI::App* app, const Target& target, AdminArguments* admin, Run* run) {
  CLI::App* command = app->add_subcommand("admin", "Looks after a gateway: sluice admin status");
  command->require_subcommand(1);
  command->add_flag("--json", admin->json, "The answer as JSON");
  const auto add = [=, &target](const char* name, AdminAction action, const char* help) {
    CLI::App* const subcommand = command->add_subcommand(name, help);
    subcommand->callback([=, &target] {
      admin->action = action;
      *run = [&target, admin] { return RunAdmin(target, *admin); };
    });
    return subcommand;
  };
  add("status", AdminAction::kStatus, "What is now, and the last errors");
  add("calls", AdminAction::kCalls, "Calls in progress, longest first");
  add("statements", AdminAction::kStatements, "What statements take, the costliest first");
  add("cancel", AdminAction::kCancel, "Asks a call to end")
      ->add_option("call", admin->call_id, "As sluice admin calls shows it")
      ->required();
  add("reset-pool", AdminAction::kResetPool, "Replaces the connections to the database (after a failover)");
  add("reload", AdminAction::kReload, "Has settings, callers and certificates read again, as SIGHUP does");
  CLI::App* const drain =
      add("drain", AdminAction::kDrain, "Ends the gateway when its calls have ended, as SIGTERM does");
  drain->add_option("--grace", admin->grace_seconds, "Seconds for that, instead of the setting drain_grace")
      ->check(CheckGrace);
  drain->add_flag("--wait", admin->wait, "Until it has ended");
}

void AddDoctor(CLI::App* app, std::string* database_url, Run* run) {
  CLI::App* command = app->add_subcommand("doctor", "Examines a database connection, without a gateway");
  command->add_option("database_url,--database_url", *database_url, "As sluiced takes it")->envname("DATABASE_URL");
  command->callback([database_url, run] { *run = [database_url] { return RunDoctor(*database_url); }; });
}

void AddSetup(CLI::App* app, SetupArguments* setup, Run* run) {
  CLI::App* command =
      app->add_subcommand("setup", "Makes the table that calls with a request_id need, in the database");
  command->add_option("database_url,--database_url", setup->database_url, "As sluiced takes it")
      ->envname("DATABASE_URL");
  command->add_option("--role", setup->role, "Grants it to this role, which the gateway logs in as");
  command->add_flag("--print", setup->print, "Prints the SQL instead, for whoever may run it");
  command->callback([setup, run] { *run = [setup] { return RunSetup(*setup); }; });
}

// Help, or what was wrong; a URL in it may hold a password.
int ExitWith(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  std::ostringstream out, err;
  const int code = app.exit(error, out, err);
  std::string problem = err.str();
  for (int i = 1; i < argc; ++i) {
    if (HasUrl(argv[i])) problem = absl::StrReplaceAll(problem, {{argv[i], "(a URL)"}});
  }
  std::fputs(out.str().c_str(), stdout);
  std::fputs(problem.c_str(), stderr);
  return code == 0 ? kExitOk : kExitUsage;
}

// An export that a full disk cut short did not succeed.
int EndOutput(int exit_code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  std::fputs("sluice: standard output can not be written\n", stderr);
  return exit_code == kExitOk ? kExitFailed : exit_code;
}

int Main(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  // gRPC's own lines would stand among ours; who looks for a fault in it can have them.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  CLI::App app("sluice talks to a Sluice gateway, which serves PostgreSQL over gRPC.", "sluice");
  app.set_version_flag("--version", absl::StrCat("sluice ", kVersion));
  app.footer("Exit codes: 0 done, 1 the call failed, 2 wrong arguments, 3 no gateway answered, and nothing was run.");
  app.set_help_all_flag("--help-all", "Help of all commands");
  app.option_defaults()->always_capture_default(false);
  app.fallthrough();
  app.allow_extras();
  // What comes behind it is an argument, also if it is the name of another command.
  app.require_subcommand(0, 1);
  Target target;
  AddTargetOptions(&app, &target);
  Run run;
  QueryArguments query;
  query.params = TakeVerbatim(&argc, argv);
  AddQuery(&app, target, &query, &run);
  BatchArguments batch;
  AddBatch(&app, target, &batch, &run);
  CopyArguments copy;
  AddCopy(&app, target, &copy, &run);
  ListenArguments listen;
  AddListen(&app, target, &listen, &run);
  ShellArguments shell;
  AddShell(&app, target, &shell, &run);
  PingArguments ping;
  AddPing(&app, target, &ping, &run);
  HealthArguments health;
  AddHealth(&app, target, &health, &run);
  TopArguments top;
  AddTop(&app, target, &top, &run);
  AdminArguments admin;
  AddAdmin(&app, target, &admin, &run);
  std::string database_url;
  AddDoctor(&app, &database_url, &run);
  SetupArguments setup;
  AddSetup(&app, &setup, &run);

  try {
    app.parse(argc, argv);
    if (!app.got_subcommand("query") && app.remaining_size(true) != 0) throw CLI::ExtrasError(app.remaining(true));
  } catch (const CLI::ParseError& error) {
    return ExitWith(app, error, argc, argv);
  }
  HideUrls(argc, argv);
  if (run) return EndOutput(run());
  std::fputs(app.help().c_str(), stderr);
  return kExitUsage;
}

}  // namespace
}  // namespace sluice::cli

int main(int argc, char** argv) { return sluice::cli::Main(argc, argv); }
