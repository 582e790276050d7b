#include "server/config/config.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/base/local_address.h"

namespace sluice::config {
namespace {

// Reads texts into values and collects what is wrong with them.
class Checker {
 public:
  Checker(const RawSettings& raw, std::vector<std::string>* problems) : raw_(raw), problems_(*problems) {}

  const std::string& Text(const char* name) { return raw_.values.at(name).text; }

  bool Bool(const char* name) {
    const std::string& text = Text(name);
    if (text == "true" || text == "1" || text == "yes" || text == "on") return true;
    if (text != "false" && text != "0" && text != "no" && text != "off") Problem(name, "must be true or false");
    return false;
  }

  int64_t Number(const char* name, int64_t min, int64_t max) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(Text(name), &number) || number < min || number > max) {
      Problem(name, absl::StrCat("must be a whole number from ", min, " to ", max));
    }
    return number;
  }

  absl::Duration Duration(const char* name, absl::Duration min, absl::Duration max) {
    absl::Duration duration;
    if (!absl::ParseDuration(Text(name), &duration) || duration < min || duration > max) {
      Problem(name, absl::StrCat("must be a time from ", absl::FormatDuration(min), " to ", absl::FormatDuration(max),
                                 ", such as 500ms, 30s or 5m"));
    }
    return duration;
  }

  const std::string& OneOf(const char* name, const std::vector<std::string>& choices) {
    const std::string& text = Text(name);
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      std::string list;
      for (const std::string& choice : choices) absl::StrAppend(&list, list.empty() ? "" : ", ", choice);
      Problem(name, absl::StrCat("must be one of ", list));
    }
    return text;
  }

  void Problem(const char* name, absl::string_view what) {
    problems_.push_back(absl::StrCat(name, " (from ", raw_.values.at(name).source, "): ", what));
  }

 private:
  const RawSettings& raw_;
  std::vector<std::string>& problems_;
};

void CheckDatabase(Checker* check, Config* config) {
  const bool testing = check->OneOf("env", {"production", "development", "testing"}) == "testing" &&
                       !check->Text("test_database_url").empty();
  const char* name = testing ? "test_database_url" : "database_url";
  if (check->Text(name).empty()) {
    check->Problem(name, "is not set; it says which database to serve, as postgresql://user:password@host:5432/name");
    return;
  }
  absl::StatusOr<DatabaseUrl> url = ParseDatabaseUrl(check->Text(name));
  if (url.ok()) {
    config->database = *std::move(url);
  } else {
    check->Problem(name, url.status().message());
  }
}

void CheckListener(Checker* check, Config* config) {
  config->listen_heartbeat = check->Duration("listen_heartbeat", absl::Milliseconds(10), absl::Hours(1));
  if (check->Text("listen_url").empty()) return;
  absl::StatusOr<DatabaseUrl> url = ParseDatabaseUrl(check->Text("listen_url"));
  if (url.ok()) {
    config->listen_database = *std::move(url);
  } else {
    check->Problem("listen_url", url.status().message());
  }
}

bool IsHostAndPort(const std::string& address) {
  int port = -1;
  const size_t colon = address.rfind(':');
  const std::string digits = colon == std::string::npos ? "" : address.substr(colon + 1);
  const bool is_number = digits.find_first_not_of("0123456789") == std::string::npos && absl::SimpleAtoi(digits, &port);
  return is_number && port <= 65535;
}

void CheckWhoGetsIn(Checker* check, const Config& config) {
  const bool unix_socket = absl::StartsWith(config.listen, "unix:") && config.listen.size() > 5;
  if (!unix_socket && !IsHostAndPort(config.listen)) {
    check->Problem("listen", "must be host:port or unix:/path");
    return;
  }
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    check->Problem("tls_cert", "tls_cert and tls_key go together");
  }
  if (!config.tls_client_ca.empty() && config.tls_cert.empty()) {
    check->Problem("tls_client_ca", "needs tls_cert and tls_key");
  }
  if (!config.tls_client_ca.empty() && config.callers_file.empty()) {
    check->Problem("tls_client_ca", "needs callers_file, which says whose certificates may do what");
  }
  if (config.insecure || IsLocalAddress(config.listen)) return;
  if (config.tls_cert.empty()) {
    check->Problem("listen", "an address that others can reach needs tls_cert and tls_key, or --insecure");
  }
  if (config.callers_file.empty()) {
    check->Problem("listen", "an address that others can reach needs callers_file, or --insecure");
  }
}

// Empty for "off".
std::string CheckAdminAddress(const char* name, Checker* check) {
  const std::string& address = check->Text(name);
  if (address == "off") return "";
  if (!IsHostAndPort(address)) check->Problem(name, "must be host:port or off");
  return address;
}

}  // namespace

std::optional<Config> MakeConfig(const RawSettings& raw, std::vector<std::string>* problems) {
  constexpr absl::Duration kDay = absl::Hours(24);
  Checker check(raw, problems);
  problems->insert(problems->end(), raw.problems.begin(), raw.problems.end());
  Config config;
  CheckDatabase(&check, &config);
  config.listen = check.Text("listen");
  config.tls_cert = check.Text("tls_cert");
  config.tls_key = check.Text("tls_key");
  config.tls_client_ca = check.Text("tls_client_ca");
  config.callers_file = check.Text("callers_file");
  config.insecure = check.Bool("insecure");
  CheckWhoGetsIn(&check, config);
  config.pool_size = static_cast<int>(check.Number("pool_size", 1, 1000));
  config.pool_warm = static_cast<int>(check.Number("pool_warm", 0, 1000));
  if (config.pool_size > 0 && config.pool_warm > config.pool_size) {
    check.Problem("pool_warm", "must not be more than pool_size");
  }
  config.pool_null = check.OneOf("pool_mode", {"shared", "null"}) == "null";
  config.connect_timeout = check.Duration("connect_timeout", absl::Milliseconds(100), absl::Minutes(5));
  config.connection_age_max = check.Duration("connection_age_max", absl::Seconds(1), 30 * kDay);
  config.connection_idle_max = check.Duration("connection_idle_max", absl::Seconds(1), 30 * kDay);
  config.jit_strategy = check.OneOf("jit_strategy", {"auto", "prefix", "startup", "role", "none"});
  config.application_name = check.Text("application_name");
  config.call_timeout = check.Duration("call_timeout", absl::Milliseconds(1), kDay);
  config.stream_timeout = check.Duration("stream_timeout", absl::Milliseconds(1), kDay);
  config.stream_stall_max = check.Duration("stream_stall_max", absl::Milliseconds(10), kDay);
  config.request_retention = check.Duration("request_retention", absl::Seconds(1), 30 * kDay);
  config.client_silence_max = check.Duration("client_silence_max", absl::Milliseconds(300), kDay);
  config.line_length_max = static_cast<int>(check.Number("line_length_max", 1, 1000000));
  config.flight_statements_max = static_cast<int>(check.Number("flight_statements_max", 1, 1000));
  config.flight_bytes_max = check.Number("flight_bytes_max", 1, 64 << 20);
  config.flight_work_max = check.Duration("flight_work_max", absl::Milliseconds(1), absl::Seconds(10));
  config.request_bytes_max = check.Number("request_bytes_max", 1024, 256 << 20);
  config.reply_bytes_max = check.Number("reply_bytes_max", 1024, 256 << 20);
  CheckListener(&check, &config);
  config.admin_listen = CheckAdminAddress("admin_listen", &check);
  config.admin_grpc_listen = CheckAdminAddress("admin_grpc_listen", &check);
  config.drain_delay = check.Duration("drain_delay", absl::ZeroDuration(), absl::Minutes(10));
  config.drain_grace = check.Duration("drain_grace", absl::ZeroDuration(), absl::Hours(1));
  const std::string& log_format = check.OneOf("log_format", {"auto", "json", "text"});
  config.log_format = log_format == "json"   ? LogFormat::kJson
                      : log_format == "text" ? LogFormat::kText
                                             : LogFormat::kAuto;
  config.echo_sql = check.Bool("echo_sql");
  config.slow_call = check.Duration("slow_call", absl::ZeroDuration(), kDay);
  config.otlp_endpoint = check.Text("otlp_endpoint");
  if (!config.otlp_endpoint.empty() && !absl::StartsWith(config.otlp_endpoint, "http://") &&
      !absl::StartsWith(config.otlp_endpoint, "https://")) {
    check.Problem("otlp_endpoint", "must be http://host:4317, or https://");
  }
  config.port_file = check.Text("port_file");
  if (!problems->empty()) return std::nullopt;
  return config;
}

}  // namespace sluice::config
