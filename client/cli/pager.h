#ifndef SLUICE_CLIENT_CLI_PAGER_H_
#define SLUICE_CLIENT_CLI_PAGER_H_

#include <cstdio>
#include <string>

namespace sluice::cli {

// Standard output; on a terminal, what is longer than that goes through $PAGER (less -RS).
class Pager {
 public:
  Pager();
  // Waits until the pager is left.
  ~Pager();
  Pager(const Pager&) = delete;
  Pager& operator=(const Pager&) = delete;

  // False when nobody wants more.
  bool Write(const std::string& text);

 private:
  void Start();

  // Of the terminal; 0: there is none, or no pager.
  int lines_max_;
  std::string waiting_;
  int lines_ = 0;
  std::FILE* pager_ = nullptr;
};

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_PAGER_H_
