#include "server/config/settings.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/file.h"

namespace sluice::config {
namespace {

const Setting* FindByName(absl::string_view name) {
  for (const Setting& setting : Settings()) {
    if (setting.name == name) return &setting;
  }
  return nullptr;
}

const Setting* FindByEnvironment(absl::string_view variable) {
  for (const Setting& setting : Settings()) {
    if (setting.environment == variable) return &setting;
  }
  return nullptr;
}

// The first source of a setting wins.
void Offer(const Setting& setting, absl::string_view text, std::string source, RawSettings* raw) {
  raw->values.insert({setting.name, {std::string(text), std::move(source)}});
}

// What stands in quotes, or all up to a comment (a # behind a space).
absl::string_view Unquoted(absl::string_view value) {
  if (!value.empty() && (value.front() == '"' || value.front() == '\'')) {
    const size_t end = value.find(value.front(), 1);
    if (end != absl::string_view::npos) return value.substr(1, end - 1);
  }
  return absl::StripTrailingAsciiWhitespace(value.substr(0, value.find(" #")));
}

// A name that is none, for people. What can be no name may be a database URL, whose password nobody
// is to see.
std::string Shown(absl::string_view name) {
  const auto may_be = [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; };
  return std::all_of(name.begin(), name.end(), may_be) ? std::string(name) : "(not shown)";
}

bool IsDirectory(const std::string& path) {
  struct stat facts = {};
  return stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

// KEY = value lines, # comments. `strict`: a key that is no setting is a problem (our own
// file; a .env belongs to others as well).
void ReadSettings(const std::string& path, bool strict, RawSettings* raw) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) {
    // There need not be a .env, and a directory of this name is somebody else's.
    const bool may_be = !strict && (absl::IsNotFound(text.status()) || IsDirectory(path));
    if (!may_be) raw->problems.push_back(absl::StrCat(strict ? "config_file: " : "", text.status().message()));
    return;
  }
  int number = 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++number;
    if (number == 1) absl::ConsumePrefix(&line, "\xef\xbb\xbf");  // some editors' mark of UTF-8
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') continue;
    absl::ConsumePrefix(&line, "export ");
    const size_t equals = line.find('=');
    const std::string source = absl::StrCat(path, ":", number);
    if (equals == absl::string_view::npos) {
      if (strict) raw->problems.push_back(absl::StrCat(source, ": not of the form name = value"));
      continue;
    }
    const absl::string_view key = absl::StripAsciiWhitespace(line.substr(0, equals));
    const Setting* setting = FindByEnvironment(key);
    if (setting == nullptr && strict) setting = FindByName(key);
    if (setting != nullptr) {
      auto given = raw->values.find(setting->name);
      const bool twice = given != raw->values.end() && absl::StartsWith(given->second.source, path + ":");
      if (strict && twice) raw->problems.push_back(absl::StrCat(source, ": ", setting->name, " is there twice"));
      Offer(*setting, Unquoted(absl::StripAsciiWhitespace(line.substr(equals + 1))), source, raw);
    } else if (strict) {
      raw->problems.push_back(absl::StrCat(source, ": no setting is called ", Shown(key)));
    }
  }
}

constexpr bool kLive = true;

bool IsSwitch(absl::string_view name) { return name == "insecure" || name == "echo_sql"; }

void ReadArguments(const std::vector<std::string>& arguments, RawSettings* raw) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      raw->help = true;
      continue;
    }
    if (argument == "--version") {
      raw->version = true;
      continue;
    }
    if (!absl::ConsumePrefix(&argument, "--")) {
      // Not echoed: it may be half of a mistyped database URL.
      raw->problems.push_back(absl::StrCat("argument ", i + 1, " is no flag; see --help"));
      continue;
    }
    const size_t equals = argument.find('=');
    std::string name(argument.substr(0, equals));
    std::replace(name.begin(), name.end(), '-', '_');
    const Setting* setting = FindByName(name);
    if (setting == nullptr) {
      raw->problems.push_back(absl::StrCat("--", Shown(name), ": no such flag; see --help"));
      const bool has_value = i + 1 < arguments.size() && !absl::StartsWith(arguments[i + 1], "-");
      if (equals == absl::string_view::npos && has_value) ++i;
      continue;
    }
    const std::string source = absl::StrCat("--", name);
    if (raw->values.count(name) > 0) raw->problems.push_back(absl::StrCat(source, ": given twice"));
    if (equals != absl::string_view::npos) {
      Offer(*setting, argument.substr(equals + 1), source, raw);
    } else if (IsSwitch(name)) {
      Offer(*setting, "true", source, raw);
    } else if (i + 1 < arguments.size()) {
      Offer(*setting, arguments[++i], source, raw);
    } else {
      raw->problems.push_back(absl::StrCat(source, ": needs a value"));
    }
  }
}

}  // namespace

const std::vector<Setting>& Settings() {
  // clang-format off
  static const auto& settings = *new std::vector<Setting>{
      {"database_url", "DATABASE_URL", "", "The database: postgresql://user:password@host:port/name?sslmode=verify-full. URLs of other drivers (postgresql+asyncpg://...) are understood. Pass it in the environment or a file rather than as a flag.", kLive},
      {"test_database_url", "TEST_DATABASE_URL", "", "Taken instead of database_url when env is testing.", kLive},
      {"env", "SLUICE_ENV", "production", "production, development or testing."},
      {"listen", "SLUICE_LISTEN", "127.0.0.1:7432", "host:port (port 0: any free one) or unix:/path. Anything but loopback or a unix socket needs tls_cert and callers_file, or insecure."},
      {"tls_cert", "SLUICE_TLS_CERT", "", "PEM file with the server's certificate chain.", kLive},
      {"tls_key", "SLUICE_TLS_KEY", "", "PEM file with its key.", kLive},
      {"tls_client_ca", "SLUICE_TLS_CLIENT_CA", "", "PEM file with the CAs of client certificates; callers may then prove themselves by one (mTLS).", kLive},
      {"callers_file", "SLUICE_CALLERS_FILE", "", "JSON file that names each caller with its token's SHA-256 or certificate SAN and its permissions.", kLive},
      {"insecure", "SLUICE_INSECURE", "false", "Lets anybody in on any address, without TLS. Said in a warning at every start."},
      {"pool_size", "SLUICE_POOL_SIZE", "15", "Connections to the database at most (Supabase's own default pool size).", kLive},
      {"pool_warm", "SLUICE_POOL_WARM", "1", "Connections kept open without demand. With 0, health does not notice a database that goes away until somebody calls."},
      {"pool_mode", "SLUICE_POOL_MODE", "shared", "shared, or null: a fresh connection for every call, closed after it, for tests of applications."},
      {"connect_timeout", "SLUICE_CONNECT_TIMEOUT", "10s", "For one attempt to connect.", kLive},
      {"connection_age_max", "SLUICE_CONNECTION_AGE_MAX", "30m", "A connection is replaced when it is older; shortened by up to a quarter at random.", kLive},
      {"connection_idle_max", "SLUICE_CONNECTION_IDLE_MAX", "5m", "A connection that nobody needed for this long is closed, but for pool_warm of them.", kLive},
      {"jit_strategy", "SLUICE_JIT_STRATEGY", "auto", "How JIT is kept off: auto, prefix, startup, role or none (leave it as it is)."},
      {"application_name", "SLUICE_APPLICATION_NAME", "sluice", "As pg_stat_activity shows it.", kLive},
      {"call_timeout", "SLUICE_CALL_TIMEOUT", "30s", "For a call without a deadline of its own.", kLive},
      {"stream_timeout", "SLUICE_STREAM_TIMEOUT", "1h", "The same for a streamed one.", kLive},
      {"stream_stall_max", "SLUICE_STREAM_STALL_MAX", "60s", "A stream whose client takes nothing for so long is ended.", kLive},
      {"request_retention", "SLUICE_REQUEST_RETENTION", "10m", "How long a write with a request_id is remembered at least: asked for again by then, it is answered and not done again. Needs the table that `sluice setup` makes."},
      {"client_silence_max", "SLUICE_CLIENT_SILENCE_MAX", "60s", "A client from which nothing came for so long is asked whether it is still there; one that does not answer within a third of it is gone, and its calls are cancelled."},
      {"line_length_max", "SLUICE_LINE_LENGTH_MAX", "10000", "Calls that may wait for a connection; past it they are refused at once. With callers_file, one caller gets half at most.", kLive},
      {"flight_statements_max", "SLUICE_FLIGHT_STATEMENTS_MAX", "32", "Plain reads of one caller that wait for a connection fly in one message, so many at most (its plain writes, too, with the permission group_commit); 1 switches it off.", kLive},
      {"flight_bytes_max", "SLUICE_FLIGHT_BYTES_MAX", "262144", "What such calls may hold together, requests included.", kLive},
      {"flight_work_max", "SLUICE_FLIGHT_WORK_MAX", "3ms", "How long PostgreSQL may need for them together, as they run one after the other; or as long as a round trip to it takes (50ms at most), if that is more.", kLive},
      {"request_bytes_max", "SLUICE_REQUEST_BYTES_MAX", "4194304", "Of one request."},
      {"reply_bytes_max", "SLUICE_REPLY_BYTES_MAX", "4194304", "Of one reply; what generated gRPC clients accept by default. A client whose limit is lower refuses an answer whose work is done.", kLive},
      {"listen_url", "SLUICE_LISTEN_URL", "", "The same database for LISTEN, by a connection that stays a session: PostgreSQL itself, or a pooler in session mode. Without it Listen is off.", kLive},
      {"listen_heartbeat", "SLUICE_LISTEN_HEARTBEAT", "10s", "How often that connection is proven, and those who listen hear that it was."},
      {"admin_listen", "SLUICE_ADMIN_LISTEN", "127.0.0.1:7433", "host:port of the operators' HTTP: /livez, /readyz, /metrics, and for this machine's users or callers with the permission admin the status page and /statusz.json; off for none."},
      {"admin_grpc_listen", "SLUICE_ADMIN_GRPC_LISTEN", "127.0.0.1:7434", "host:port of the operators' gRPC, without TLS: health for orchestrators' probes, and sluice.v1.Admin (sluice admin, sluice top) for the same who may see /statusz.json; off for none."},
      {"drain_delay", "SLUICE_DRAIN_DELAY", "500ms", "On SIGTERM, from NOT_SERVING until newcomers are refused, so that load balancers notice first.", kLive},
      {"drain_grace", "SLUICE_DRAIN_GRACE", "10s", "After that, how long calls may take to end.", kLive},
      {"log_format", "SLUICE_LOG_FORMAT", "auto", "json, text, or auto: text on a terminal."},
      {"echo_sql", "SLUICE_ECHO_SQL", "false", "Logs the text of every statement that is served (of a transaction the first 100, 1,000 bytes of each), never its values.", kLive},
      {"slow_call", "SLUICE_SLOW_CALL", "1s", "A statement (but of a stream) that takes the database so long, or a call that does, is logged with its shape, without values; 0s for none.", kLive},
      {"otlp_endpoint", "SLUICE_OTLP_ENDPOINT", "", "http://host:4317 or https://...: a collector of OpenTelemetry that gets, by OTLP over gRPC, what sampled calls did (those with a traceparent whose caller samples them). Needs a sluiced that was built with opentelemetry-cpp."},
      {"port_file", "SLUICE_PORT_FILE", "", "A file that gets the address in use once calls are served; for tests and supervisors."},
      {"config_file", "SLUICE_CONFIG_FILE", "", "File of name = value lines; everything else wins over it."},
  };
  // clang-format on
  return settings;
}

RawSettings GatherSettings(const std::vector<std::string>& arguments, Environment environment,
                           const std::string& dot_env_path) {
  RawSettings raw;
  ReadArguments(arguments, &raw);
  for (const Setting& setting : Settings()) {
    const char* value = environment(setting.environment);
    if (value != nullptr && *value != '\0') Offer(setting, value, setting.environment, &raw);
  }
  ReadSettings(dot_env_path, /*strict=*/false, &raw);
  auto file = raw.values.find("config_file");
  if (file != raw.values.end() && !file->second.text.empty()) {
    const std::string path = file->second.text;
    ReadSettings(path, /*strict=*/true, &raw);
  }
  for (const Setting& setting : Settings()) Offer(setting, setting.fallback, "default", &raw);
  return raw;
}

std::string HelpText() {
  std::string text =
      "sluiced serves a PostgreSQL database over gRPC.\n\n"
      "  DATABASE_URL=postgresql://user:password@host:5432/name sluiced\n\n"
      "Settings come from flags, the environment, ./.env and config_file, in this order.\n"
      "SIGTERM drains and ends. SIGHUP reads ./.env, config_file and the files that settings name again, and takes\n"
      "what can be taken while it runs: settings marked live. What is wrong is refused whole.\n";
  for (const Setting& setting : Settings()) {
    absl::StrAppend(&text, "\n  --", setting.name, "  (", setting.environment);
    if (*setting.fallback != '\0') absl::StrAppend(&text, ", default ", setting.fallback);
    absl::StrAppend(&text, setting.live ? ", live)\n" : ")\n");
    // Lines of about 90 characters.
    absl::string_view help = setting.help;
    while (!help.empty()) {
      size_t cut = help.size() <= 88 ? help.size() : help.rfind(' ', 88);
      absl::StrAppend(&text, "      ", help.substr(0, cut), "\n");
      help.remove_prefix(std::min(cut + 1, help.size()));
    }
  }
  return text;
}

std::string ReferenceText() {
  std::string text =
      "# Settings of sluiced\n\n"
      "Made by `bazel run //tools:settings_reference > docs/configuration.md` from `server/config/settings.cc`; a test "
      "fails when "
      "it is stale.\n\n"
      "A setting comes from a flag (`--pool_size=20`), else the environment, else `./.env`, else the file that "
      "`config_file` names, "
      "which has lines `name = value`. Durations are numbers with a unit: `500ms`, `30s`, `10m`, `1h`. All problems of "
      "a configuration "
      "are told at once, each with its setting and where it came from, and sluiced ends with exit code 78.\n\n"
      "On SIGHUP, or `sluice admin reload`, `./.env`, `config_file` and the files that settings name are read again. "
      "What "
      "is wrong is refused whole, with all its problems, and everything stays as it was. Else the settings marked live "
      "are taken at once; the others are named in the log, and wait for the next start. A live setting that switches "
      "something on or off (TLS, callers, Listen), or a URL with another host, port or database, waits as well.\n\n"
      "| setting | variable | default | live | |\n|---|---|---|---|---|\n";
  for (const Setting& setting : Settings()) {
    const std::string fallback = *setting.fallback == '\0' ? "" : absl::StrCat("`", setting.fallback, "`");
    absl::StrAppend(&text, "| `", setting.name, "` | `", setting.environment, "` | ", fallback, " | ",
                    setting.live ? "yes" : "", " | ", absl::StrReplaceAll(setting.help, {{"|", "\\|"}}), " |\n");
  }
  return text;
}

}  // namespace sluice::config
