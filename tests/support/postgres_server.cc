#include "tests/support/postgres_server.h"

#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/support/direct.h"

namespace sluice::testing_support {

std::string PostgresProgram(const std::string& name) {
  // Debian keeps them out of PATH, by version: the newest one.
  std::string newest;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql")) {
    const std::string path = absl::StrCat(version.path().string(), "/bin/", name);
    if (std::filesystem::exists(path) && path > newest) newest = path;
  }
  return newest.empty() ? name : newest;
}

PostgresServer::PostgresServer(const std::vector<std::string>& settings) {
  Process::Options initdb;
  initdb.command = {PostgresProgram("initdb"),
                    "--pgdata=" + directory_.File("data"),
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--username=postgres",
                    "--no-sync",
                    "--no-instructions"};
  initdb.environment = {{"PGOPTIONS", ""}, {"TZ", "Etc/UTC"}};
  initdb.output_path = directory_.File("initdb.log");
  initdb.unprivileged = true;
  RunOrDie(initdb);

  std::string conf = absl::StrCat("listen_addresses = ''\nunix_socket_directories = '", directory_.path(),
                                  "'\nfsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
                                  "timezone = 'Etc/UTC'\nlog_timezone = 'Etc/UTC'\nshared_buffers = 32MB\n");
  for (const std::string& setting : settings) absl::StrAppend(&conf, setting, "\n");
  directory_.Write("data/postgresql.auto.conf", conf);
  Start();
}

PostgresServer::~PostgresServer() {
  if (process_ != nullptr && process_->IsRunning()) Stop(SIGQUIT);
}

void PostgresServer::Start() {
  Process::Options options;
  options.command = {PostgresProgram("postgres"), "-D", directory_.File("data")};
  options.environment = {{"PGOPTIONS", ""}};
  options.output_path = directory_.File("postgres.log");
  options.unprivileged = true;
  process_ = std::make_unique<Process>(options);
  if (!Eventually([this] { return Direct::IsReachable(ConnectionString()); })) {
    std::fprintf(stderr, "postgres does not start:\n%s\n", ReadFile(options.output_path).c_str());
    std::abort();
  }
}

void PostgresServer::Stop(int signal) {
  process_->Signal(signal);
  process_->Wait();
}

std::string PostgresServer::Url(const std::string& database, const std::string& user) const {
  return absl::StrCat("postgresql://", user, "@/", database, "?host=", directory_.path());
}

std::string PostgresServer::ConnectionString(const std::string& database) const {
  return absl::StrCat("host=", directory_.path(), " user=postgres dbname=", database);
}

}  // namespace sluice::testing_support
