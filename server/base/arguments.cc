#include "server/base/arguments.h"

#include <cstring>

namespace sluice {

bool HasUrl(const char* argument) {
  return std::strstr(argument, "://") != nullptr ||
         (std::strstr(argument, "postgres") != nullptr && std::strchr(argument, '@') != nullptr);
}

void HideUrls(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (HasUrl(argv[i])) std::memset(argv[i], '*', std::strlen(argv[i]));
  }
}

}  // namespace sluice
