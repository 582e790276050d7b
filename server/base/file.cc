#include "server/base/file.h"

#include <fcntl.h>
#include <poll.h>
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
  // Nobody may have the other end of a pipe.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return CanNotRead(path, errno);
  std::string text;
  char block[1 << 16];
  int error = 0;
  for (;;) {
    constexpr int kPatienceMs = 5000;
    pollfd input = {file, POLLIN, 0};
    // (Files are always ready.)
    const int ready = poll(&input, 1, kPatienceMs);
    if (ready == 0) error = ETIMEDOUT;
    const ssize_t size = ready == 1 ? read(file, block, sizeof(block)) : -1;
    if (size > 0) text.append(block, static_cast<size_t>(size));
    if (size == 0 || error != 0) break;
    if (size < 0 && errno != EINTR && errno != EAGAIN) error = errno;
    if (error != 0) break;
  }
  close(file);
  if (error != 0) return CanNotRead(path, error);
  return text;
}

}  // namespace sluice
