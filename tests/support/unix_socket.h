#ifndef SLUICE_TESTS_SUPPORT_UNIX_SOCKET_H_
#define SLUICE_TESTS_SUPPORT_UNIX_SOCKET_H_

#include <string>

namespace sluice::testing_support {

// Both abort the test program on failure to make a socket at all.
int ListenAt(const std::string& path);
// -1 if nobody listens.
int ConnectTo(const std::string& path);

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_UNIX_SOCKET_H_
