#include "server/config/database_url.h"

#include <algorithm>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/status_macros.h"

namespace sluice::config {
namespace {

// Options of libpq that are passed on.
const absl::flat_hash_set<absl::string_view>& LibpqOptions() {
  // clang-format off
  static const auto& options = *new absl::flat_hash_set<absl::string_view>{
      "host", "hostaddr", "port", "user", "password", "passfile", "dbname", "application_name", "sslmode", "sslrootcert",
      "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslsni", "sslpassword", "ssl_min_protocol_version",
      "ssl_max_protocol_version", "channel_binding", "target_session_attrs", "keepalives", "keepalives_idle",
      "keepalives_interval", "keepalives_count", "tcp_user_timeout", "krbsrvname", "gssencmode"};
  // clang-format on
  return options;
}

const absl::flat_hash_map<absl::string_view, absl::string_view>& IgnoredOptions() {
  static constexpr char kNoStatements[] = "there are no prepared statements here";
  static constexpr char kOwnPool[] = "the gateway has its own: pool_size, call_timeout";
  static const auto& options = *new absl::flat_hash_map<absl::string_view, absl::string_view>{
      {"connect_timeout", "the gateway has a setting of this name"},
      {"prepared_statement_cache_size", kNoStatements},
      {"statement_cache_size", kNoStatements},
      {"prepared_statement_name_func", kNoStatements},
      {"prepare_threshold", kNoStatements},
      {"prepareThreshold", kNoStatements},
      {"max_cached_statement_lifetime", kNoStatements},
      {"pgbouncer", "every pooler is found out by itself"},
      {"connection_limit", kOwnPool},
      {"pool_size", kOwnPool},
      {"pool_timeout", kOwnPool},
      {"max_overflow", kOwnPool},
      {"command_timeout", kOwnPool},
      {"timeout", kOwnPool},
      {"options", "poolers refuse or drop startup options; JIT and time limits travel with each call"},
      {"server_settings", "poolers refuse or drop startup options; JIT and time limits travel with each call"},
      {"jit", "see jit_strategy"},
      {"supa", "a label of Supabase's own"},
      {"workaround", "a label of Supabase's own"},
      {"client_encoding", "always UTF8"}};
  return options;
}

absl::StatusOr<std::string> PercentDecoded(absl::string_view text, absl::string_view part) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size() || !absl::ascii_isxdigit(text[i + 1]) || !absl::ascii_isxdigit(text[i + 2])) {
      return absl::InvalidArgumentError(
          absl::StrCat("a % in its ", part, " is not followed by two hex digits (write %25)"));
    }
    const auto digit = [](char c) { return absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10; };
    decoded += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  if (decoded.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("a NUL byte in its ", part));
  }
  return decoded;
}

absl::Status ParseAddress(absl::string_view authority, DatabaseUrl* url) {
  std::vector<std::string> hosts, ports;
  for (absl::string_view address : absl::StrSplit(authority, ',')) {
    const size_t bracket = address.rfind(']');
    const size_t colon = address.rfind(':');
    const bool has_port = colon != absl::string_view::npos && (bracket == absl::string_view::npos || colon > bracket);
    absl::string_view host = address.substr(0, has_port ? colon : address.size());
    if (absl::ConsumePrefix(&host, "[") && !absl::ConsumeSuffix(&host, "]")) {
      return absl::InvalidArgumentError("its IPv6 address has no closing bracket");
    }
    ASSIGN_OR_RETURN(std::string decoded, PercentDecoded(host, "host"));
    hosts.push_back(std::move(decoded));
    const bool is_bare_v6 = bracket == absl::string_view::npos && std::count(address.begin(), address.end(), ':') > 1;
    if (is_bare_v6) return absl::InvalidArgumentError("an IPv6 address in it needs brackets: [::1]");
    const absl::string_view port = has_port ? address.substr(colon + 1) : "";
    for (const char c : port) {
      if (!absl::ascii_isdigit(c)) {
        return absl::InvalidArgumentError(
            "its port is not a number; a password with @, : or / must be percent-encoded (%40, %3A, %2F)");
      }
    }
    ports.push_back(std::string(port));
  }
  const std::string host = absl::StrJoin(hosts, ","), port = absl::StrJoin(ports, ",");
  if (!host.empty()) url->parameters["host"] = host;
  if (port.find_first_not_of(',') != std::string::npos) url->parameters["port"] = port;
  return absl::OkStatus();
}

absl::Status ParseOption(absl::string_view pair, DatabaseUrl* url) {
  const size_t equals = pair.find('=');
  ASSIGN_OR_RETURN(const std::string name, PercentDecoded(pair.substr(0, equals), "options"));
  ASSIGN_OR_RETURN(const std::string value,
                   PercentDecoded(equals == absl::string_view::npos ? "" : pair.substr(equals + 1), "options"));
  if (name == "ssl") {
    // asyncpg: a mode, or a yes or no.
    static const auto& modes = *new absl::flat_hash_map<absl::string_view, absl::string_view>{
        {"true", "require"},  {"on", "require"},  {"1", "require"},
        {"false", "disable"}, {"off", "disable"}, {"0", "disable"}};
    auto mode = modes.find(value);
    url->parameters["sslmode"] = mode == modes.end() ? value : std::string(mode->second);
    return absl::OkStatus();
  }
  auto ignored = IgnoredOptions().find(name);
  if (ignored != IgnoredOptions().end()) {
    url->ignored.push_back({name, std::string(ignored->second)});
    return absl::OkStatus();
  }
  if (!LibpqOptions().contains(name)) {
    // Quoted only if it looks like one: behind a ? in a password it is half of the password.
    const bool is_name = name.size() < 30 && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos;
    return absl::InvalidArgumentError(absl::StrCat("its option ", is_name ? name : "(not shown)",
                                                   " is known to no driver; a ? in a password is written %3F"));
  }
  url->parameters[name] = value;
  return absl::OkStatus();
}

// As libpq wants them: as many of each, or one port for all.
absl::Status CheckPlaces(const DatabaseUrl& url) {
  const auto list = [&url](const char* name) -> std::vector<std::string> {
    const auto found = url.parameters.find(name);
    if (found == url.parameters.end() || found->second.empty()) return {};
    return absl::StrSplit(found->second, ',');
  };
  const std::vector<std::string> hosts = list("host"), addresses = list("hostaddr"), ports = list("port");
  const size_t count = std::max(hosts.size(), addresses.size());
  if (!hosts.empty() && !addresses.empty() && hosts.size() != addresses.size()) {
    return absl::InvalidArgumentError("its host and its hostaddr are lists of different lengths");
  }
  if (ports.size() > 1 && ports.size() != count) {
    return absl::InvalidArgumentError(absl::StrCat("it has ", count, " hosts and ", ports.size(), " ports"));
  }
  for (const std::string& port : ports) {
    int number = 0;
    if (!port.empty() && (!absl::SimpleAtoi(port, &number) || number < 1 || number > 65535)) {
      return absl::InvalidArgumentError("a port of it is not from 1 to 65535");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSslMode(const DatabaseUrl& url) {
  auto mode = url.parameters.find("sslmode");
  if (mode == url.parameters.end()) return absl::OkStatus();
  static const auto& modes =
      *new std::set<std::string>{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
  if (modes.count(mode->second) > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "its sslmode is none of disable, allow, prefer, require, verify-ca and verify-full");
}

}  // namespace

absl::StatusOr<DatabaseUrl> ParseDatabaseUrl(absl::string_view text) {
  const size_t scheme_end = text.find("://");
  absl::string_view scheme = text.substr(0, scheme_end);
  scheme = scheme.substr(0, scheme.find('+'));
  if (scheme_end == absl::string_view::npos || (scheme != "postgresql" && scheme != "postgres")) {
    return absl::InvalidArgumentError("it does not begin with postgresql:// or postgres://");
  }
  absl::string_view rest = text.substr(scheme_end + 3);
  DatabaseUrl url;
  // The last @ before the options ends the login: an unencoded one in a password is a common slip.
  const size_t login_end = rest.substr(0, rest.find('?')).rfind('@');
  const size_t path = rest.find_first_of("/?", login_end == absl::string_view::npos ? 0 : login_end);
  const absl::string_view authority = rest.substr(0, path);
  const size_t at = authority.rfind('@');
  if (at != absl::string_view::npos) {
    const absl::string_view login = authority.substr(0, at);
    const size_t colon = login.find(':');
    ASSIGN_OR_RETURN(url.parameters["user"], PercentDecoded(login.substr(0, colon), "user"));
    if (colon != absl::string_view::npos) {
      ASSIGN_OR_RETURN(url.parameters["password"], PercentDecoded(login.substr(colon + 1), "password"));
    }
  }
  RETURN_IF_ERROR(ParseAddress(at == absl::string_view::npos ? authority : authority.substr(at + 1), &url));
  if (path != absl::string_view::npos) {
    absl::string_view tail = rest.substr(path);
    const size_t question = tail.find('?');
    absl::string_view name = tail.substr(0, question);
    absl::ConsumePrefix(&name, "/");
    if (!name.empty()) {
      ASSIGN_OR_RETURN(url.parameters["dbname"], PercentDecoded(name, "database name"));
    }
    if (question != absl::string_view::npos) {
      for (absl::string_view option : absl::StrSplit(tail.substr(question + 1), '&', absl::SkipEmpty())) {
        RETURN_IF_ERROR(ParseOption(option, &url));
      }
    }
  }
  RETURN_IF_ERROR(CheckPlaces(url));
  RETURN_IF_ERROR(CheckSslMode(url));
  return url;
}

std::string DatabaseUrl::Display() const {
  const auto value = [this](const char* name) {
    const auto found = parameters.find(name);
    return found == parameters.end() ? std::string() : found->second;
  };
  const std::vector<std::string> hosts = absl::StrSplit(value("host").empty() ? value("hostaddr") : value("host"), ',');
  const std::vector<std::string> ports = absl::StrSplit(value("port"), ',');
  std::vector<std::string> places;
  for (size_t i = 0; i < hosts.size(); ++i) {
    const std::string& port = ports[std::min(i, ports.size() - 1)];
    const bool is_v6 = absl::StrContains(hosts[i], ':');
    places.push_back(absl::StrCat(is_v6 ? "[" : "", hosts[i], is_v6 ? "]" : "", port.empty() ? "" : ":", port));
  }
  const std::string user = value("user"), name = value("dbname").empty() ? user : value("dbname");
  return absl::StrCat("postgresql://", user, user.empty() ? "" : "@", absl::StrJoin(places, ","), "/", name);
}

}  // namespace sluice::config
