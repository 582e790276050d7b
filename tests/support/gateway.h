#ifndef SLUICE_TESTS_SUPPORT_GATEWAY_H_
#define SLUICE_TESTS_SUPPORT_GATEWAY_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/cpp/database.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace sluice::testing_support {

// A running sluiced, the real program, on a unix socket unless its flags say otherwise.
class Gateway {
 public:
  // Returns once it listens. Aborts the test program if it does not come to that.
  // `environment`: variables besides.
  explicit Gateway(const std::string& database_url, const std::vector<std::string>& flags = {},
                   const std::map<std::string, std::string>& environment = {});

  // Waits until its health says that it is ready; false if it does not within 30 s.
  bool AwaitReady() const;

  const std::string& address() const { return address_; }
  // Of one with --admin_listen and --log_format=json.
  std::string AdminAddress() const;
  // Of one with --admin_grpc_listen and --log_format=json.
  std::string AdminGrpcAddress() const;
  client::Database Client() const;
  std::string log() const { return ReadFile(directory_.File("sluiced.log")); }
  // Waits for a text in the log, which a thread of its own writes.
  bool Logs(const std::string& text) const;
  Process& process() { return *process_; }
  // With SIGTERM; returns its exit code.
  int Drain();

 private:
  std::string AddressOf(const std::string& door) const;

  TempDir directory_;
  std::unique_ptr<Process> process_;
  std::string address_;
};

// The program as Bazel built it.
std::string SluicedPath();

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_GATEWAY_H_
