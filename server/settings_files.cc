#include "server/settings_files.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice {

SettingsFiles LoadSettingsFiles(const config::Config& config, std::vector<std::string>* problems) {
  SettingsFiles files;
  if (!config.callers_file.empty()) {
    absl::StatusOr<std::vector<auth::KnownCaller>> callers = auth::LoadCallers(config.callers_file);
    if (callers.ok()) {
      files.callers = *std::move(callers);
    } else {
      problems->push_back(absl::StrCat("callers_file: ", callers.status().message()));
    }
  }
  if (!config.tls_cert.empty()) {
    absl::StatusOr<rpc::Certificates> certificates =
        rpc::LoadCertificates({config.tls_cert, config.tls_key, config.tls_client_ca});
    if (certificates.ok()) {
      files.certificates = *std::move(certificates);
    } else {
      problems->push_back(std::string(certificates.status().message()));
    }
  }
  return files;
}

}  // namespace sluice
