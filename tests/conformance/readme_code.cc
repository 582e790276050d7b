// Compiles the C++ of the README, as it stands there.

#include <cstdint>
#include <iostream>
#include <string>

#include "client/cpp/database.h"

namespace sluice {

void CodeOfTheReadme() {
#include "tests/conformance/readme_code.inc"
}

}  // namespace sluice
