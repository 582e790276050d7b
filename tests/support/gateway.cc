#include "tests/support/gateway.h"

#include <signal.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace sluice::testing_support {

// Tests run in the root of their runfiles.
std::string SluicedPath() { return "server/sluiced"; }

Gateway::Gateway(const std::string& database_url, const std::vector<std::string>& flags,
                 const std::map<std::string, std::string>& environment) {
  const std::string port_file = directory_.File("port");
  Process::Options options;
  options.command = {SluicedPath(), "--port_file=" + port_file};
  bool listens = false, has_admin = false, has_admin_grpc = false;
  for (const std::string& flag : flags) {
    listens |= absl::StartsWith(flag, "--listen=");
    has_admin |= absl::StartsWith(flag, "--admin_listen=");
    has_admin_grpc |= absl::StartsWith(flag, "--admin_grpc_listen=");
  }
  if (!has_admin) options.command.push_back("--admin_listen=off");
  if (!has_admin_grpc) options.command.push_back("--admin_grpc_listen=off");
  if (!listens) options.command.push_back("--listen=unix:" + directory_.File("sluice"));
  options.command.insert(options.command.end(), flags.begin(), flags.end());
  options.environment = environment;
  // Unless it is given otherwise.
  options.environment.insert({{"DATABASE_URL", database_url}, {"SLUICE_DRAIN_DELAY", "50ms"}});
  options.output_path = directory_.File("sluiced.log");
  process_ = std::make_unique<Process>(options);
  const bool started = Eventually([&] {
    address_ = std::string(absl::StripAsciiWhitespace(ReadFile(port_file)));
    return !address_.empty() || !process_->IsRunning();
  });
  if (started && !address_.empty()) return;
  std::fprintf(stderr, "sluiced does not start:\n%s\n", log().c_str());
  std::abort();
}

bool Gateway::AwaitReady() const {
  const client::Database client = Client();
  return Eventually([&client] { return client.CheckHealth().ok(); });
}

bool Gateway::Logs(const std::string& text) const {
  return Eventually([&] { return absl::StrContains(log(), text); });
}

std::string Gateway::AdminAddress() const { return AddressOf("admin"); }

std::string Gateway::AdminGrpcAddress() const { return AddressOf("admin_grpc"); }

std::string Gateway::AddressOf(const std::string& door) const {
  const std::string field = "\"" + door + "\":\"";
  if (!Logs(field)) std::abort();
  const std::string text = log();
  const size_t begin = text.find(field) + field.size();
  return text.substr(begin, text.find('"', begin) - begin);
}

client::Database Gateway::Client() const { return *client::Database::Open(address_); }

int Gateway::Drain() {
  process_->Signal(SIGTERM);
  return process_->Wait();
}

}  // namespace sluice::testing_support
