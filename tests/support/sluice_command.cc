#include "tests/support/sluice_command.h"

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace sluice::testing_support {

Ended RunSluice(const std::vector<std::string>& arguments, const std::string& target, const std::string& output_path,
                const std::string& input) {
  const TempDir directory;
  Process::Options options;
  options.command = {"client/cli/sluice"};
  options.command.insert(options.command.end(), arguments.begin(), arguments.end());
  options.environment = {{"SLUICE_TARGET", target}, {"DATABASE_URL", ""}};
  options.output_path = output_path.empty() ? directory.File("output") : output_path;
  if (!input.empty()) options.input_path = directory.Write("input", input);
  Process process(options);
  const int exit_code = process.Wait();
  return {exit_code, output_path.empty() ? ReadFile(options.output_path) : ""};
}

}  // namespace sluice::testing_support
