// New settings for a gateway that runs: by SIGHUP, or sluice.v1.Admin.

#include <grpcpp/create_channel.h>
#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <future>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "sluice/v1/admin.grpc.pb.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"
#include "tests/support/certificates.h"
#include "tests/support/secure_postgres.h"

namespace sluice {
namespace {

using testing_support::Certificates;
using testing_support::Direct;
using testing_support::Eventually;
using testing_support::Gateway;

// A gateway whose settings are in a file.
class ReloadTest : public testing::Test {
 protected:
  ReloadTest() { Configure(""); }

  void Configure(const std::string& settings, const std::string& database_url = "") {
    directory_.Write("sluice.conf",
                     absl::StrCat("database_url = ", database_url.empty() ? Url("pa%24%24word") : database_url,
                                  "\ndrain_delay = 0s\n", settings));
  }
  std::string Url(const std::string& password) { return postgres_.Url(password, "127.0.0.1", "sslmode=require"); }

  std::unique_ptr<Gateway> Start(std::vector<std::string> flags = {}) {
    flags.insert(flags.end(), {"--config_file=" + directory_.File("sluice.conf"), "--admin_grpc_listen=127.0.0.1:0",
                               "--log_format=json"});
    auto gateway = std::make_unique<Gateway>("", flags);
    EXPECT_TRUE(Eventually([&] { return StatusOf(*gateway).ready(); })) << gateway->log();
    return gateway;
  }

  static std::unique_ptr<v1::Admin::Stub> Admin(const Gateway& gateway) {
    return v1::Admin::NewStub(grpc::CreateChannel(gateway.AdminGrpcAddress(), grpc::InsecureChannelCredentials()));
  }
  // What is said of it: "pool_size", "listen waits"; or the refusal.
  static std::string Reload(const Gateway& gateway) {
    grpc::ClientContext context;
    v1::ReloadResponse response;
    const grpc::Status status = Admin(gateway)->Reload(&context, v1::ReloadRequest(), &response);
    if (!status.ok()) return status.error_message();
    return absl::StrCat(absl::StrJoin(response.changed(), ","), response.waiting_size() > 0 ? " waiting: " : "",
                        absl::StrJoin(response.waiting(), ","));
  }
  static v1::GetStatusResponse StatusOf(const Gateway& gateway) {
    grpc::ClientContext context;
    v1::GetStatusResponse response;
    EXPECT_TRUE(Admin(gateway)->GetStatus(&context, v1::GetStatusRequest(), &response).ok());
    return response;
  }
  static v1::PoolStatus PoolOf(const Gateway& gateway) { return StatusOf(gateway).pools(0); }

  testing_support::SecurePostgres postgres_;
  testing_support::TempDir directory_;
};

TEST_F(ReloadTest, APoolGrowsAndShrinksUnderItsCalls) {
  Configure("pool_size = 2\n");
  const std::unique_ptr<Gateway> gateway = Start();
  const client::Database db = gateway->Client();
  Configure("pool_size = 4\n");
  EXPECT_EQ(Reload(*gateway), "pool_size");
  // Three that hold a connection each; one is kept for short calls.
  std::vector<client::Transaction> open;
  for (int i = 0; i < 3; ++i) {
    open.push_back(db.Begin());
    ASSERT_TRUE(open.back().Execute("SELECT 1").ok());
  }
  ASSERT_TRUE(db.Execute("SELECT 1").ok());
  EXPECT_EQ(PoolOf(*gateway).open(), 4);
  EXPECT_EQ(PoolOf(*gateway).connections_max(), 4);

  Configure("pool_size = 2\n");
  EXPECT_EQ(Reload(*gateway), "pool_size");
  // The idle one goes; those that are held stay until they are not.
  EXPECT_TRUE(Eventually([&] { return PoolOf(*gateway).open() == 3; }));
  for (client::Transaction& transaction : open) ASSERT_TRUE(transaction.Commit().ok());
  EXPECT_TRUE(Eventually([&] { return PoolOf(*gateway).open() == 2; })) << PoolOf(*gateway).open();
  EXPECT_TRUE(db.Execute("SELECT 1").ok());
}

TEST_F(ReloadTest, AnAgeIsAlsoThatOfConnectionsThatAreOpen) {
  const std::unique_ptr<Gateway> gateway = Start();
  Configure("connection_age_max = 1s\n");
  EXPECT_EQ(Reload(*gateway), "connection_age_max");
  EXPECT_TRUE(gateway->Logs("\"event\":\"connection_discarded\"")) << gateway->log();
}

TEST_F(ReloadTest, ANewPasswordIsTakenAndNoCallFails) {
  const std::unique_ptr<Gateway> gateway = Start();
  std::atomic<bool> done{false};
  std::atomic<int> calls{0}, failures{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, db = gateway->Client()] {
      while (!done) {
        failures += db.Execute("SELECT 1").ok() ? 0 : 1;
        ++calls;
      }
    });
  }
  EXPECT_TRUE(Eventually([&] { return calls > 50; }));
  Direct superuser(postgres_.server().ConnectionString());
  superuser.Run("ALTER ROLE app PASSWORD 'rotated'");
  const std::string sessions_before =
      superuser.Value("SELECT string_agg(pid::text, ',') FROM pg_stat_activity WHERE usename = 'app'");
  Configure("", Url("rotated"));
  gateway->process().Signal(SIGHUP);
  EXPECT_TRUE(gateway->Logs("configuration_reloaded")) << gateway->log();
  // All of them are sessions of the new login.
  EXPECT_TRUE(Eventually([&] {
    return superuser.Value(
               absl::StrCat("SELECT count(*) FROM pg_stat_activity WHERE pid IN (", sessions_before, ")")) == "0";
  }));
  const int calls_then = calls;
  EXPECT_TRUE(Eventually([&] { return calls > calls_then + 50; }));
  done = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(failures, 0) << gateway->log().substr(0, 20000);
  EXPECT_FALSE(absl::StrContains(gateway->log(), "rotated"));
}

TEST_F(ReloadTest, APasswordThatTheDatabaseRefusesIsRefusedWithAllThatCameWithIt) {
  const std::unique_ptr<Gateway> gateway = Start();
  Configure("pool_size = 3\n", Url("wrong"));
  const std::string refusal = Reload(*gateway);
  EXPECT_TRUE(absl::StrContains(refusal, "everything stays as it was")) << refusal;
  EXPECT_TRUE(absl::StrContains(refusal, "database_url: password authentication failed")) << refusal;
  EXPECT_EQ(PoolOf(*gateway).connections_max(), 15);
  EXPECT_TRUE(gateway->Client().Execute("SELECT 1").ok());
}

TEST_F(ReloadTest, ABadFileIsRefusedWholeWithAllItsProblems) {
  const std::unique_ptr<Gateway> gateway = Start();
  Configure("pool_size = 3\nslow_call = often\nno_such_setting = 1\n");
  const std::string refusal = Reload(*gateway);
  EXPECT_TRUE(absl::StrContains(refusal, "slow_call (from ")) << refusal;
  EXPECT_TRUE(absl::StrContains(refusal, "no setting is called no_such_setting")) << refusal;
  EXPECT_TRUE(gateway->Logs("configuration_refused"));
  EXPECT_EQ(PoolOf(*gateway).connections_max(), 15);
  directory_.Write("sluice.conf", "");
  EXPECT_TRUE(absl::StrContains(Reload(*gateway), "database_url"));
  EXPECT_TRUE(gateway->Client().Execute("SELECT 1").ok());
}

// The database may be away just because its login has changed.
TEST_F(ReloadTest, ALoginThatCanNotBeTriedIsTakenAndSaidToBe) {
  const std::unique_ptr<Gateway> gateway = Start();
  Direct(postgres_.server().ConnectionString()).Run("ALTER ROLE app PASSWORD 'rotated'");
  postgres_.server().Stop(SIGINT);
  Configure("", Url("rotated"));
  grpc::ClientContext context;
  v1::ReloadResponse response;
  ASSERT_TRUE(Admin(*gateway)->Reload(&context, v1::ReloadRequest(), &response).ok());
  ASSERT_EQ(response.unchecked_size(), 1) << response.DebugString();
  EXPECT_TRUE(absl::StartsWith(response.unchecked(0), "database_url: ")) << response.unchecked(0);
  EXPECT_FALSE(absl::StrContains(response.unchecked(0), "rotated"));
  postgres_.server().Start();
  EXPECT_TRUE(gateway->Client().Execute("SELECT 1").ok());
}

TEST_F(ReloadTest, HeldCallsThatCanHaveNoConnectionAnyMoreAreRefused) {
  Configure("pool_size = 2\n");
  const std::unique_ptr<Gateway> gateway = Start();
  const client::Database db = gateway->Client();
  client::Transaction first = db.Begin();
  ASSERT_TRUE(first.Execute("SELECT 1").ok());
  std::future<std::string> second = std::async(std::launch::async, [&db] {
    client::Transaction waits = db.Begin();
    return Reason(waits.Execute("SELECT 1"));
  });
  EXPECT_TRUE(Eventually([&] { return StatusOf(*gateway).line().normal() == 1; }));
  Configure("pool_size = 1\n");
  EXPECT_EQ(Reload(*gateway), "pool_size");
  EXPECT_EQ(second.get(), "HELD_CALLS_OFF");
  EXPECT_TRUE(first.Commit().ok());
  EXPECT_TRUE(db.Execute("SELECT 1").ok());
}

TEST_F(ReloadTest, APipeThatNobodyWritesIntoIsRefusedAndHoldsUpNobody) {
  const std::unique_ptr<Gateway> gateway = Start();
  std::remove(directory_.File("sluice.conf").c_str());
  ASSERT_EQ(mkfifo(directory_.File("sluice.conf").c_str(), 0666), 0);
  EXPECT_TRUE(absl::StrContains(Reload(*gateway), "can not read")) << Reload(*gateway);
  EXPECT_EQ(gateway->Drain(), 0);
}

TEST_F(ReloadTest, TheEndIsHeardAmongAnyNumberOfReloads) {
  const std::unique_ptr<Gateway> gateway = Start();
  std::atomic<bool> done{false};
  std::thread reloads([&] {
    while (!done) kill(gateway->process().pid(), SIGHUP);
  });
  EXPECT_TRUE(gateway->Logs("configuration_reloaded"));
  EXPECT_EQ(gateway->Drain(), 0);
  done = true;
  reloads.join();
}

TEST_F(ReloadTest, LimitsAreThoseOfTheNextCall) {
  const std::unique_ptr<Gateway> gateway = Start();
  const client::Database db = gateway->Client();
  const char* const large = "SELECT repeat('x', 5000)";
  ASSERT_TRUE(db.Execute(large).ok());
  Configure("reply_bytes_max = 4096\ncall_timeout = 100ms\n");
  EXPECT_EQ(Reload(*gateway), "call_timeout,reply_bytes_max");
  EXPECT_EQ(Reason(db.Execute(large)), "RESPONSE_TOO_LARGE");
  // Of a call without a deadline of its own, which the C++ client does not make.
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway->address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::ExecuteRequest request;
  request.mutable_statement()->set_sql("SELECT pg_sleep(10)");
  v1::ExecuteResponse response;
  EXPECT_EQ(stub->Execute(&context, request, &response).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(ReloadTest, WhatNeedsARestartIsNamedAndTheRestIsTaken) {
  const std::unique_ptr<Gateway> gateway = Start();
  Configure("pool_size = 7\npool_mode = null\nlisten_url = " + Url("pa%24%24word") + "\n");
  EXPECT_EQ(Reload(*gateway), "pool_size,pool_mode,listen_url waiting: pool_mode,listen_url (to switch it on or off)");
  EXPECT_EQ(PoolOf(*gateway).connections_max(), 7);
  EXPECT_TRUE(gateway->Logs("waits_for_restart"));
}

TEST_F(ReloadTest, ListenersHearOfAGapAndGoOnWithTheNewLogin) {
  Configure("listen_url = " + Url("pa%24%24word") + "\n");
  const std::unique_ptr<Gateway> gateway = Start();
  client::Subscription jobs = gateway->Client().Listen({"jobs"});
  ASSERT_TRUE(jobs.Next());
  Direct superuser(postgres_.server().ConnectionString());
  superuser.Run("ALTER ROLE app PASSWORD 'rotated'");
  Configure("listen_url = " + Url("rotated") + "\n", Url("rotated"));
  EXPECT_EQ(Reload(*gateway), "database_url,listen_url");
  while (jobs.Next() && !jobs.event().has_gap()) {
  }
  ASSERT_TRUE(jobs.event().has_gap());
  while (jobs.Next() && !jobs.event().has_ready()) {
  }
  superuser.Run("NOTIFY jobs, 'after'");
  while (jobs.Next() && !jobs.event().has_notification()) {
  }
  EXPECT_EQ(jobs.event().notification().payload(), "after");
  // A reset of the pool is for it, too: after a failover it may be on the old server.
  grpc::ClientContext context;
  v1::ResetPoolResponse reset;
  ASSERT_TRUE(Admin(*gateway)->ResetPool(&context, v1::ResetPoolRequest(), &reset).ok());
  while (jobs.Next() && !jobs.event().has_gap()) {
  }
  EXPECT_TRUE(jobs.event().has_gap());
}

class CertificateReloadTest : public ReloadTest {
 protected:
  // Puts a certificate where the gateway looks for it.
  void Install(const Certificates::Pair& pair) {
    directory_.Write("server.pem", testing_support::ReadFile(pair.cert));
    directory_.Write("server.key", testing_support::ReadFile(pair.key));
  }
  std::unique_ptr<Gateway> StartWithTls() {
    return Start({"--listen=127.0.0.1:0", "--tls_cert=" + directory_.File("server.pem"),
                  "--tls_key=" + directory_.File("server.key")});
  }
  // A new connection that believes this CA.
  static std::string CallWith(const Gateway& gateway, const Certificates& ca) {
    client::Database::Options options;
    options.target = gateway.address();
    options.ca_file = ca.ca();
    client::CallOptions call;
    call.timeout = absl::Seconds(5);
    return Reason(client::Database::Open(options)->Execute(client::Statement("SELECT 1"), call));
  }

  Certificates old_ca_, new_ca_;
  Certificates::Pair old_ = old_ca_.Issue("server", "IP:127.0.0.1"), new_ = new_ca_.Issue("server", "IP:127.0.0.1");
};

TEST_F(CertificateReloadTest, ANewCertificateIsForNewConnectionsAndTheOldOnesStay) {
  Install(old_);
  // No setting changes: it is the files that do.
  client::Database::Options options;
  const std::unique_ptr<Gateway> gateway = StartWithTls();
  options.target = gateway->address();
  options.ca_file = old_ca_.ca();
  const client::Database connected = *client::Database::Open(options);
  ASSERT_TRUE(connected.Execute("SELECT 1").ok());
  EXPECT_NE(CallWith(*gateway, new_ca_), "ok");
  Install(new_);
  EXPECT_EQ(Reload(*gateway), "");
  EXPECT_EQ(CallWith(*gateway, new_ca_), "ok");
  EXPECT_NE(CallWith(*gateway, old_ca_), "ok");
  EXPECT_TRUE(connected.Execute("SELECT 1").ok());
}

TEST_F(CertificateReloadTest, AKeyThatDoesNotBelongToItsCertificateIsRefused) {
  Install(old_);
  const std::unique_ptr<Gateway> gateway = StartWithTls();
  Install({new_.cert, old_.key});
  const std::string refusal = Reload(*gateway);
  EXPECT_TRUE(absl::StrContains(refusal, "tls_key: ")) << refusal;
  EXPECT_EQ(CallWith(*gateway, old_ca_), "ok");
}

}  // namespace
}  // namespace sluice
