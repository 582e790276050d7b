#ifndef SLUICE_TESTS_SUPPORT_SLUICE_COMMAND_H_
#define SLUICE_TESTS_SUPPORT_SLUICE_COMMAND_H_

#include <string>
#include <vector>

namespace sluice::testing_support {

// How the sluice command ended, and all that it printed.
struct Ended {
  int exit_code;
  std::string output;
};

// Runs it, as Bazel built it, against a gateway at `target`; its output goes to `output_path`, and
// is read from there unless that is given. It reads `input`.
Ended RunSluice(const std::vector<std::string>& arguments, const std::string& target = "unix:/nonexistent",
                const std::string& output_path = "", const std::string& input = "");

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_SLUICE_COMMAND_H_
