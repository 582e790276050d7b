#include "tests/support/postgres_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

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

// A port that is free now. Another program may take it before it is used, but the kernel
// hands such ports out in turn.
static int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) std::abort();
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

// A new cluster's files: initdb takes 1 s, a copy of what it made 0.1 s.
static const std::string& FreshCluster() {
  static const TempDir& directory = []() -> const TempDir& {
    static const TempDir made;
    Process::Options initdb;
    initdb.command = {PostgresProgram("initdb"), "--pgdata=" + made.File("data"), "--auth=trust", "--encoding=UTF8",
                      "--locale=C.UTF-8",        "--username=postgres",           "--no-sync",    "--no-instructions"};
    initdb.environment = {{"PGOPTIONS", ""}, {"TZ", "Etc/UTC"}};
    initdb.output_path = made.File("initdb.log");
    initdb.unprivileged = true;
    RunOrDie(initdb);
    return made;
  }();
  static const std::string& path = *new std::string(directory.File("data"));
  return path;
}

PostgresServer::PostgresServer(const Options& options) {
  if (options.tcp) port_ = FreePort();
  options.standby_of == nullptr ? CopyCluster() : CopyFrom(*options.standby_of);
  // Whatever stands behind wins: what it has of its primary is in here already.
  std::string conf = options.standby_of == nullptr ? "" : ReadFile(directory_.File("data/postgresql.auto.conf"));
  absl::StrAppend(&conf, "listen_addresses = '", options.tcp ? "127.0.0.1" : "", "'\nport = ", port_,
                  "\nunix_socket_directories = '", directory_.path(), "'\n");
  if (options.standby_of == nullptr) {
    conf +=
        "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
        "timezone = 'Etc/UTC'\nlog_timezone = 'Etc/UTC'\nshared_buffers = 32MB\n";
  }
  for (const std::string& setting : options.settings) absl::StrAppend(&conf, setting, "\n");
  directory_.Write("data/postgresql.auto.conf", conf);
  if (!options.access_rules.empty()) directory_.Write("data/pg_hba.conf", options.access_rules);
  Start();
}

void PostgresServer::CopyCluster() {
  Process::Options copy;
  copy.command = {"cp", "--recursive", "--preserve=mode", FreshCluster(), directory_.File("data")};
  copy.output_path = directory_.File("copy.log");
  copy.unprivileged = true;
  RunOrDie(copy);
}

void PostgresServer::CopyFrom(const PostgresServer& primary) {
  Process::Options backup;
  backup.command = {PostgresProgram("pg_basebackup"),
                    "--pgdata=" + directory_.File("data"),
                    "--host=" + primary.socket_directory(),
                    absl::StrCat("--port=", primary.port()),
                    "--username=postgres",
                    "--write-recovery-conf",
                    "--checkpoint=fast",
                    "--no-sync"};
  backup.output_path = directory_.File("backup.log");
  backup.unprivileged = true;
  RunOrDie(backup);
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
  return absl::StrCat("postgresql://", user, "@/", database, "?host=", directory_.path(), "&port=", port_);
}

std::string PostgresServer::ConnectionString(const std::string& database) const {
  return absl::StrCat("host=", directory_.path(), " port=", port_, " user=postgres dbname=", database);
}

}  // namespace sluice::testing_support
