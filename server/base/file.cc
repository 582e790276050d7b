#include "server/base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "server/base/system.h"

namespace sluice {
namespace {

absl::Status CanNotRead(const std::string& path, int error) {
  const std::string why = absl::StrCat("can not read ", path, ": ", SystemText(error));
  return error == ENOENT || error == ENOTDIR ? absl::NotFoundError(why) : absl::InvalidArgumentError(why);
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return CanNotRead(path, errno);
  std::string text;
  char block[1 << 16];
  ssize_t size = 0;
  do {
    size = read(file, block, sizeof(block));
    if (size > 0) text.append(block, static_cast<size_t>(size));
  } while (size > 0 || (size < 0 && errno == EINTR));
  const int error = errno;
  close(file);
  if (size < 0) return CanNotRead(path, error);
  return text;
}

}  // namespace sluice
