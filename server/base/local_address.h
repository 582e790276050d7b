#ifndef SLUICE_SERVER_BASE_LOCAL_ADDRESS_H_
#define SLUICE_SERVER_BASE_LOCAL_ADDRESS_H_

#include "absl/strings/string_view.h"

namespace sluice {

// Whether nobody but this machine's own users can reach host:port or unix:/path: a gateway may do
// without TLS there, and a client may send its token.
bool IsLocalAddress(absl::string_view address);

}  // namespace sluice

#endif  // SLUICE_SERVER_BASE_LOCAL_ADDRESS_H_
