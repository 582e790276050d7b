#ifndef SLUICE_TESTS_SUPPORT_TEMP_DIR_H_
#define SLUICE_TESTS_SUPPORT_TEMP_DIR_H_

#include <string>

namespace sluice::testing_support {

// A directory that is gone with the object. Short, since the paths of unix sockets have at
// most 107 bytes, and owned by whom the servers run as (see UnprivilegedUser).
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file that the servers can read, and returns its path.
  std::string Write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

// Reads a whole file; "" if there is none.
std::string ReadFile(const std::string& path);

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_TEMP_DIR_H_
