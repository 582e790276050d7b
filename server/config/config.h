#ifndef SLUICE_SERVER_CONFIG_CONFIG_H_
#define SLUICE_SERVER_CONFIG_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/config/database_url.h"
#include "server/config/settings.h"

namespace sluice::config {

enum class LogFormat { kAuto, kText, kJson };

// A configuration without problems. What each setting means is in Settings().
struct Config {
  DatabaseUrl database;
  std::string listen;
  std::string tls_cert;
  std::string tls_key;
  std::string tls_client_ca;
  std::string callers_file;
  bool insecure = false;
  int pool_size = 15;
  int pool_warm = 1;
  bool pool_null = false;
  absl::Duration connect_timeout;
  absl::Duration connection_age_max;
  absl::Duration connection_idle_max;
  std::string jit_strategy;
  std::string application_name;
  absl::Duration call_timeout;
  absl::Duration stream_timeout;
  absl::Duration stream_stall_max;
  absl::Duration request_retention;
  absl::Duration client_silence_max;
  int line_length_max = 10000;
  int flight_statements_max = 32;
  int64_t flight_bytes_max = 256 << 10;
  absl::Duration flight_work_max;
  int64_t request_bytes_max = 0;
  int64_t reply_bytes_max = 0;
  std::optional<DatabaseUrl> listen_database;  // listen_url
  absl::Duration listen_heartbeat;
  std::string admin_listen;       // empty for none
  std::string admin_grpc_listen;  // the same
  absl::Duration drain_delay;
  absl::Duration drain_grace;
  LogFormat log_format = LogFormat::kAuto;
  bool echo_sql = false;
  absl::Duration slow_call;  // zero for none
  std::string otlp_endpoint;  // empty for none
  std::string port_file;
};

// Checks everything and reports all problems at once, each with the name of its setting,
// where it came from, and what would be right. Nullopt if there is any.
std::optional<Config> MakeConfig(const RawSettings& raw, std::vector<std::string>* problems);

}  // namespace sluice::config

#endif  // SLUICE_SERVER_CONFIG_CONFIG_H_
