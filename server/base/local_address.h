#ifndef SLUICE_SERVER_BASE_LOCAL_ADDRESS_H_
#define SLUICE_SERVER_BASE_LOCAL_ADDRESS_H_

#include "absl/strings/string_view.h"

namespace sluice {

// Whether nobody but this machine's own users can reach host:port or unix:/path: a gateway may do
// without TLS there, and a client may send its token.
bool IsLocalAddress(absl::string_view address);
// The same of a host: localhost, 127.x.y.z, ::1 or [::1], and no name that only begins like one of them.
bool IsLocalHost(absl::string_view host);

}  // namespace sluice

#endif  // SLUICE_SERVER_BASE_LOCAL_ADDRESS_H_
