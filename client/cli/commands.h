#ifndef SLUICE_CLIENT_CLI_COMMANDS_H_
#define SLUICE_CLIENT_CLI_COMMANDS_H_

// What the sluice command does, once its arguments are read. Each prints its result, or what
// went wrong and what to do about it, and returns the exit code.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/cpp/database.h"

namespace sluice::cli {

// Exit codes, for scripts and orchestrators.
constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;       // the call failed, health is NOT_SERVING, the doctor found it unusable
constexpr int kExitUsage = 2;        // wrong arguments
constexpr int kExitUnreachable = 3;  // no gateway answered, and nothing was run

struct Target {
  client::Database::Options options;
  std::string token_file;
  // The operators' port.
  std::string admin_target;
};

enum class Format { kTable, kJson, kCsv };

// What the calls have in common.
struct CallArguments {
  Format format = Format::kTable;
  bool read_only = false;
  double timeout_seconds = 30;
  std::string request_id;
};

struct QueryArguments {
  std::string sql;                  // "-": from standard input
  std::vector<std::string> params;  // $1, $2, ... as text; "\N" is NULL, as in COPY
  CallArguments call;
};
int RunQuery(const Target& target, const QueryArguments& arguments);

struct BatchArguments {
  std::vector<std::string> statements;
  bool independent = false;
  CallArguments call;
};
int RunBatch(const Target& target, const BatchArguments& arguments);

struct CopyArguments {
  bool is_in = false;
  std::string table;  // or, of a copy out, a query
  std::string query;
  std::vector<std::string> columns;
  bool csv = false;
  bool binary = false;
  bool header = false;
  std::string delimiter, quote, escape;
  std::optional<std::string> null;
  std::string file;  // empty: standard input or output
  double timeout_seconds = 3600;
};
// Prints "COPY 3" to standard error.
int RunCopy(const Target& target, const CopyArguments& arguments);

struct ListenArguments {
  std::vector<std::string> channels;
  bool json = false;
  int64_t count = 0;  // notifications, after which it ends; 0: it goes on
};
// A line for each notification; what else there is to know goes to standard error.
int RunListen(const Target& target, const ListenArguments& arguments);

struct ShellArguments {
  bool timing = false;
  bool read_only = false;
};
// The prompt; statements from standard input, if that is no terminal.
int RunShell(const Target& target, const ShellArguments& arguments);

struct PingArguments {
  int count = 1;
  double timeout_seconds = 5;
};
int RunPing(const Target& target, const PingArguments& arguments);

struct HealthArguments {
  std::string service;  // empty: readiness; "liveness"
  double timeout_seconds = 5;
};
int RunHealth(const Target& target, const HealthArguments& arguments);

enum class AdminAction { kStatus, kCalls, kStatements, kCancel, kResetPool, kReload, kDrain };

struct AdminArguments {
  AdminAction action = AdminAction::kStatus;
  bool json = false;
  int64_t call_id = 0;                  // of kCancel
  std::optional<double> grace_seconds;  // of kDrain; else the gateway's setting
  bool wait = false;                    // of kDrain: until the gateway has ended
};
int RunAdmin(const Target& target, const AdminArguments& arguments);

struct TopArguments {
  double interval_seconds = 1;
  int count = 0;  // times that it is printed; 0: on and on
};
// On a terminal a screen of its own; else text, one time after the other.
int RunTop(const Target& target, const TopArguments& arguments);

// Without a gateway.
int RunDoctor(const std::string& database_url);

struct SetupArguments {
  std::string database_url;
  std::string role;
  bool print = false;  // the SQL, and nothing else happens
};
// Without a gateway, too.
int RunSetup(const SetupArguments& arguments);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_COMMANDS_H_
