#include "tests/support/temp_dir.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/process.h"

namespace sluice::testing_support {

TempDir::TempDir() {
  char path[] = "/tmp/sluice-XXXXXX";
  path_ = mkdtemp(path);
  if (const User* user = UnprivilegedUser()) {
    if (chown(path_.c_str(), user->uid, user->gid) != 0) std::abort();
  }
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::Write(const std::string& name, const std::string& text) const {
  const std::string path = File(name);
  std::ofstream(path) << text;
  if (const User* user = UnprivilegedUser()) {
    if (chown(path.c_str(), user->uid, user->gid) != 0) std::abort();
  }
  // Keys must not be readable by others.
  chmod(path.c_str(), 0600);
  return path;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace sluice::testing_support
