#ifndef SLUICE_SERVER_CONFIG_SETTINGS_H_
#define SLUICE_SERVER_CONFIG_SETTINGS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace sluice::config {

// A setting as people meet it. The one place where settings are defined: flags, environment
// variables, .env and the configuration file, --help, docs/configuration.md and the checks all read this table.
struct Setting {
  const char* name;         // --name, and name = value in a file
  const char* environment;  // variable
  const char* fallback;     // in text form
  const char* help;         // one sentence: what it does, unit, why this default
  bool live = false;        // taken also while the gateway runs (server/config/reload.h)
};

const std::vector<Setting>& Settings();

// Texts by setting name, and where each came from ("--listen", "DATABASE_URL", "file x:3"),
// so that a problem can name its place.
struct RawSettings {
  struct Value {
    std::string text;
    std::string source;
  };
  std::map<std::string, Value> values;
  std::vector<std::string> problems;
  bool help = false;
  bool version = false;
};

// Gathers the texts: flags win over the environment, that over ./.env, that over the file
// that --config_file names. `environment` looks a variable up, null if it is not set.
using Environment = const char* (*)(const char* name);
RawSettings GatherSettings(const std::vector<std::string>& arguments, Environment environment,
                           const std::string& dot_env_path);

// The text of --help, and of docs/configuration.md.
std::string HelpText();
std::string ReferenceText();

}  // namespace sluice::config

#endif  // SLUICE_SERVER_CONFIG_SETTINGS_H_
