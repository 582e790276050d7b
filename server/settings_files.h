#ifndef SLUICE_SERVER_SETTINGS_FILES_H_
#define SLUICE_SERVER_SETTINGS_FILES_H_

#include <optional>
#include <string>
#include <vector>

#include "server/auth/callers.h"
#include "server/config/config.h"
#include "server/rpc/certificates.h"

namespace sluice {

// What is in the files that settings name.
struct SettingsFiles {
  std::vector<auth::KnownCaller> callers;
  std::optional<rpc::Certificates> certificates;
};

// Reads them all. What is wrong with any of them is added to `problems`, with its setting.
SettingsFiles LoadSettingsFiles(const config::Config& config, std::vector<std::string>* problems);

}  // namespace sluice

#endif  // SLUICE_SERVER_SETTINGS_FILES_H_
