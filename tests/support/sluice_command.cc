#include "tests/support/sluice_command.h"

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace sluice::testing_support {

Ended RunSluice(const std::vector<std::string>& arguments, const std::string& target) {
  const TempDir directory;
  Process::Options options;
  options.command = {"client/cli/sluice"};
  options.command.insert(options.command.end(), arguments.begin(), arguments.end());
  options.environment = {{"SLUICE_TARGET", target}, {"DATABASE_URL", ""}};
  options.output_path = directory.File("output");
  Process process(options);
  const int exit_code = process.Wait();
  return {exit_code, ReadFile(options.output_path)};
}

}  // namespace sluice::testing_support
