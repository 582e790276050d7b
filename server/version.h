#ifndef SLUICE_SERVER_VERSION_H_
#define SLUICE_SERVER_VERSION_H_

namespace sluice {

// Of the API, the error reasons, the settings and the exit codes. See CHANGELOG.md.
constexpr char kVersion[] = "0.1.0";

}  // namespace sluice

#endif  // SLUICE_SERVER_VERSION_H_
