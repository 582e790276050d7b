// Writes docs/configuration.md:
//   bazel run //tools:settings_reference > docs/configuration.md

#include <cstdio>

#include "server/config/settings.h"

int main() {
  std::fputs(sluice::config::ReferenceText().c_str(), stdout);
  return 0;
}
