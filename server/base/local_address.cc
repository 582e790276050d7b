#include "server/base/local_address.h"

#include "absl/strings/match.h"

namespace sluice {
namespace {

// 127.x.y.z, and no name that begins like it.
bool IsLoopbackV4(absl::string_view host) {
  return absl::StartsWith(host, "127.") && host.find_first_not_of("0123456789.") == absl::string_view::npos;
}

}  // namespace

bool IsLocalAddress(absl::string_view address) {
  return absl::StartsWith(address, "unix:") || IsLocalHost(address.substr(0, address.rfind(':')));
}

bool IsLocalHost(absl::string_view host) {
  return absl::EqualsIgnoreCase(host, "localhost") || IsLoopbackV4(host) || host == "[::1]" || host == "::1";
}

}  // namespace sluice
