// The name of the database leads elsewhere: the gateway goes there, without a restart.

#include <chrono>
#include <filesystem>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

using testing_support::Direct;
using testing_support::Eventually;
using testing_support::Gateway;
using testing_support::PostgresServer;

// A file like /etc/hosts, which nss_wrapper reads in its place. It looks at the file's time, in seconds.
class Names {
 public:
  void Point(const std::string& name, const std::string& address) {
    const std::string path = directory_.Write("hosts", absl::StrCat(address, " ", name, "\n"));
    const auto now = std::filesystem::file_time_type::clock::now();
    std::filesystem::last_write_time(path, now + std::chrono::seconds(10 * ++changes_));
  }
  std::map<std::string, std::string> Environment() const {
    return {{"LD_PRELOAD", "libnss_wrapper.so"},
            {"NSS_WRAPPER_HOSTS", directory_.File("hosts")},
            // AddressSanitizer would like to be loaded first, and the wrapper would hide its malloc.
            {"NSS_WRAPPER_DISABLE_DEEPBIND", "1"},
            {"ASAN_OPTIONS", "verify_asan_link_order=0"}};
  }

 private:
  testing_support::TempDir directory_;
  int changes_ = 0;
};

TEST(DnsTest, ANameThatLeadsElsewhereIsFollowed) {
  PostgresServer::Options options;
  options.tcp = true;
  // One server at two addresses.
  options.settings = {"listen_addresses = '127.0.0.1,127.0.0.2'"};
  const PostgresServer postgres(options);
  Names names;
  names.Point("db.example", "127.0.0.1");
  const Gateway gateway(absl::StrCat("postgresql://postgres@db.example:", postgres.port(), "/postgres?sslmode=disable"),
                        {"--pool_size=3", "--pool_warm=3"}, names.Environment());
  ASSERT_TRUE(gateway.AwaitReady());
  const client::Database db = gateway.Client();
  const auto where = [&db] {
    const absl::StatusOr<client::Result> there = db.Execute("SELECT host(inet_server_addr())");
    return there.ok() ? *there->Scalar<std::string>() : there.status().ToString();
  };
  EXPECT_EQ(where(), "127.0.0.1");

  names.Point("db.example", "127.0.0.2");
  // Connections that are good stay; those that are lost come back there, and no read fails meanwhile.
  EXPECT_EQ(where(), "127.0.0.1");
  Direct(postgres.ConnectionString())
      .Run("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'sluice'");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(where(), "127.0.0.2");
}

}  // namespace
}  // namespace sluice
