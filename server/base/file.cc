#include "server/base/file.h"

#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

std::string CanNotRead(const std::string& path, int error) {
  return absl::StrCat("can not read ", path, ": ", std::generic_category().message(error));
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0) {
    const bool is_there = errno != ENOENT && errno != ENOTDIR;
    const std::string why = CanNotRead(path, errno);
    return is_there ? absl::InvalidArgumentError(why) : absl::NotFoundError(why);
  }
  if (!S_ISREG(facts.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path, " is no regular file"));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::InvalidArgumentError(CanNotRead(path, errno));
  std::ostringstream text;
  // (An empty file sets the failure bit of the reader.)
  if (facts.st_size > 0 && !(text << file.rdbuf())) return absl::InvalidArgumentError(CanNotRead(path, errno));
  return text.str();
}

}  // namespace sluice
