// Every kind of call, while everything that a gateway stands on breaks in every way: what the calls were told is what
// the database has; and when the weather is fine again, so is the gateway. A test is a kind of weather.

#include <signal.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "server/base/error.h"
#include "tests/faults/blows.h"
#include "tests/faults/books.h"
#include "tests/faults/load.h"
#include "tests/support/direct.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/gateway.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"
#include "tests/support/sluice_command.h"

namespace sluice {
namespace {

using testing_support::Direct;
using testing_support::Eventually;
using testing_support::FaultProxy;
using testing_support::Gateway;
using testing_support::PgBouncer;
using testing_support::PostgresServer;
using Way = FaultProxy::Way;

class MatrixTest : public testing::Test {
 protected:
  // Through PgBouncer, whose limits may be tight; or straight to PostgreSQL; or over a network.
  void Build(PgBouncer::Options pooler = PgBouncer::Options()) {
    // By itself it would refuse everybody for 15 s after a login that failed.
    pooler.settings.push_back("server_login_retry = 1");
    pgbouncer_ = std::make_unique<PgBouncer>(postgres_, pooler);
    BuildOn(pgbouncer_->Url());
  }
  void BuildOn(const std::string& url, std::vector<std::string> flags = {}) {
    Direct database(postgres_.ConnectionString());
    Books::Open(&database);
    const auto setup = testing_support::RunSluice({"setup", "--database_url", postgres_.Url()});
    ASSERT_EQ(setup.exit_code, 0) << setup.output;
    flags.push_back("--listen_url=" + postgres_.Url());
    flags.push_back("--listen_heartbeat=200ms");
    gateway_ = std::make_unique<Gateway>(url, flags);
    ASSERT_TRUE(gateway_->AwaitReady());
  }

  Load::Options Calls() const {
    Load::Options options;
    options.gateways = {gateway_->address()};
    options.listens = true;
    return options;
  }

  // Bad weather, again and again, until so many calls have ended under it.
  void Endure(const std::function<void(int round)>& weather, const Load::Options& options) {
    constexpr int kCalls = 1200, kRounds = 5;
    {
      Load load(options, &books_);
      for (int round = 0; round < kRounds || books_.Total().calls() < kCalls; ++round) {
        weather(round);
        // Time for some of everything, in between.
        const Books::Tally before = books_.Total();
        ASSERT_TRUE(Eventually([&] {
          RevivePooler();
          const Books::Tally now = books_.Total();
          return now.calls() >= before.calls() + 100 && now.ok >= before.ok + 40;
        })) << "round "
            << round << Logs();
      }
      ASSERT_TRUE(Recovers());
    }
    Report();
  }

  std::string Reason(const std::string& sql) { return ReasonOf(gateway_->Client().Execute(sql).status()); }

  // It serves again, by itself.
  bool Recovers() {
    return Eventually([this] {
      RevivePooler();
      return gateway_->Client().Execute("SELECT 1").ok();
    });
  }

  void Report() {
    Direct database(postgres_.ConnectionString());
    Report(&database);
  }
  void Report(Direct* there) {
    Direct& database = *there;
    ASSERT_TRUE(ComesToRest(&database)) << "something stays open";
    for (const auto& [kind, tally] : books_.Tallies()) {
      std::printf("%-28s %6ld ok %6ld not done %6ld unknown\n", kind.c_str(), static_cast<long>(tally.ok),
                  static_cast<long>(tally.undone), static_cast<long>(tally.unknown));
    }
    const std::vector<std::string> lies = books_.Audit(&database);
    EXPECT_TRUE(lies.empty()) << absl::StrJoin(lies, "\n");
    EXPECT_GT(books_.Total().ok, 0);
  }

  // PgBouncer 1.18 ends itself when a server connection breaks while a cancel is on its way to it ("bad server state:
  // 11"): whoever runs it has it started again.
  void RevivePooler() {
    if (pgbouncer_ != nullptr && pgbouncer_->Revive()) std::printf("the pooler had ended itself\n");
  }

  std::string Logs() const {
    const auto tail = [](const std::string& text) {
      return text.substr(text.size() - std::min<size_t>(text.size(), 6000));
    };
    return absl::StrCat("\n--- gateway\n", tail(gateway_->log()), "\n--- pooler\n",
                        pgbouncer_ == nullptr ? "" : tail(pgbouncer_->log()));
  }

  // A lost commit must not be PostgreSQL's own fault.
  PostgresServer postgres_{std::vector<std::string>{"synchronous_commit = on", "max_connections = 60"}};
  std::unique_ptr<PgBouncer> pgbouncer_;
  std::unique_ptr<Gateway> gateway_;
  Books books_;
};

TEST_F(MatrixTest, FineWeather) {
  Build();
  Load::Options patient = Calls();
  patient.hasty = 0;
  Endure([](int) {}, patient);
  // The ones that were dropped on purpose.
  EXPECT_EQ(books_.Total().unknown, 0);
}

TEST_F(MatrixTest, ACancelStorm) {
  Build();
  Load::Options hasty = Calls();
  hasty.hasty = 2;
  Endure([](int) {}, hasty);
}

TEST_F(MatrixTest, BackendsAreTerminated) {
  BuildOn(postgres_.Url());
  Endure([this](int round) { EndBackends(postgres_, round % 2 == 0 ? "3" : "ALL"); }, Calls());
}

TEST_F(MatrixTest, BackendsOfAPoolerAreTerminated) {
  Build();
  Endure([this](int round) { EndBackends(postgres_, round % 2 == 0 ? "3" : "ALL"); }, Calls());
}

// Then PostgreSQL ends all others, and begins anew.
TEST_F(MatrixTest, ABackendIsKilled) {
  Build();
  Endure([this](int) { ASSERT_TRUE(KillABackend(postgres_)); }, Calls());
}

TEST_F(MatrixTest, PostgresRestarts) {
  Build();
  Endure(
      [this](int round) {
        postgres_.Stop(round % 2 == 0 ? SIGINT : SIGQUIT);
        postgres_.Start();
      },
      Calls());
}

TEST_F(MatrixTest, PostgresRestartsWithoutAPooler) {
  BuildOn(postgres_.Url());
  Endure(
      [this](int round) {
        postgres_.Stop(round % 2 == 0 ? SIGINT : SIGQUIT);
        postgres_.Start();
      },
      Calls());
}

TEST_F(MatrixTest, ThePoolerRestarts) {
  Build();
  Endure(
      [this](int round) {
        pgbouncer_->Stop(round % 2 == 0 ? SIGTERM : SIGKILL);
        pgbouncer_->Start();
      },
      Calls());
}

// None of these costs a call more than time.
TEST_F(MatrixTest, ThePoolerPausesAndReloads) {
  Build();
  Load::Options patient = Calls();
  patient.hasty = 0;
  patient.timeout = absl::Seconds(20);
  Endure(
      [this](int) {
        Direct console(pgbouncer_->ConnectionString("pgbouncer"));
        console.Run("PAUSE");
        console.Run("RESUME");
        console.Run("RELOAD");
      },
      patient);
  EXPECT_EQ(books_.Total().unknown, 0);
}

// Fewer clients than the gateway would like to be.
TEST_F(MatrixTest, ThePoolerIsFull) {
  PgBouncer::Options full;
  full.max_client_conn = 4;
  Build(full);
  Load::Options patient = Calls();
  patient.hasty = 0;
  Endure([](int) {}, patient);
  EXPECT_EQ(books_.Total().unknown, 0);
}

// Whoever waits in the pooler's queue is thrown out of it; nothing of theirs was run.
TEST_F(MatrixTest, ThePoolersQueueIsTooLong) {
  PgBouncer::Options slow;
  slow.default_pool_size = 2;
  slow.settings = {"query_wait_timeout = 1"};
  Build(slow);
  Load::Options patient = Calls();
  patient.hasty = 0;
  Endure(
      [this](int) {
        // Both connections are taken, for longer than anybody may wait.
        Direct blocker(postgres_.ConnectionString());
        blocker.Run("BEGIN; LOCK TABLE effects");
        const int64_t undone = books_.Total().undone;
        Eventually([&] { return books_.Total().undone > undone; }, absl::Seconds(3));
      },
      patient);
}

TEST_F(MatrixTest, ConnectionsAreCutAnywhere) {
  FaultProxy network(postgres_.socket_directory() + "/.s.PGSQL.5432");
  BuildOn(network.Url(), {"--pool_size=6"});
  absl::BitGen random;
  Endure(
      [&](int) {
        network.CutAfter(Way::kToServer, absl::Uniform(random, 0, 4000));
        network.CutAfter(Way::kToClient, absl::Uniform(random, 0, 40000));
      },
      Calls());
}

// The moment of all moments.
TEST_F(MatrixTest, ConnectionsAreCutBetweenTheCommitAndItsAnswer) {
  FaultProxy network(postgres_.socket_directory() + "/.s.PGSQL.5432");
  BuildOn(network.Url(), {"--pool_size=6"});
  Endure(
      [&](int round) {
        const char* const tags[] = {"COMMIT", "INSERT 0 1", "COPY 50", "INSERT 0 100"};
        network.CutBefore(Way::kToClient, tags[round % 4]);
      },
      Calls());
  EXPECT_GT(books_.Total().unknown, 0);
}

TEST_F(MatrixTest, TheNetworkStalls) {
  FaultProxy network(postgres_.socket_directory() + "/.s.PGSQL.5432");
  BuildOn(network.Url(), {"--pool_size=6"});
  Load::Options options = Calls();
  options.timeout = absl::Milliseconds(300);
  Endure(
      [&](int round) {
        const Way way = round % 2 == 0 ? Way::kToServer : Way::kToClient;
        network.Hold(way);
        // Until some have given up.
        const int64_t ended = books_.Total().calls();
        Eventually([&] { return books_.Total().calls() > ended + 20; }, absl::Seconds(3));
        // What comes late must find nobody; or never comes.
        if (round % 3 == 0) network.CutAll();
        network.Release(way);
      },
      options);
}

// Both ways are dead, and nobody says so.
TEST_F(MatrixTest, ConnectionsAreHalfOpen) {
  FaultProxy network(postgres_.socket_directory() + "/.s.PGSQL.5432");
  BuildOn(network.Url(), {"--pool_size=6", "--connect_timeout=500ms"});
  Load::Options options = Calls();
  options.timeout = absl::Milliseconds(300);
  Endure(
      [&](int) {
        network.Hold(Way::kToServer);
        network.Hold(Way::kToClient);
        const int64_t ended = books_.Total().calls();
        EXPECT_TRUE(Eventually([&] { return books_.Total().calls() > ended + 20; }));
        network.CutAll();
        network.Release(Way::kToServer);
        network.Release(Way::kToClient);
      },
      options);
}

// Nobody hears what they were told; what they began ends all the same, wholly or not at all.
TEST_F(MatrixTest, ClientsVanish) {
  Build();
  FaultProxy clients_network(absl::StripPrefix(gateway_->address(), "unix:").data());
  Load::Options options = Calls();
  options.gateways = {"unix:" + clients_network.socket_path()};
  Endure([&](int) { clients_network.CutAll(); }, options);
}

// What only reads goes on meanwhile; a write hears that it can not be done there.
TEST_F(MatrixTest, AStandbyTakesOver) {
  PostgresServer::Options hot;
  hot.standby_of = &postgres_;
  PostgresServer standby(hot);
  BuildOn(absl::StrCat("postgresql://postgres@/postgres?host=", postgres_.socket_directory(), ",",
                       standby.socket_directory(), "&port=5432,5432"));
  const auto more_calls = [this](int64_t calls) {
    const int64_t before = books_.Total().calls();
    return Eventually([&] { return books_.Total().calls() >= before + calls; });
  };
  {
    Load::Options options = Calls();
    options.listens = false;
    Load load(options, &books_);
    EXPECT_TRUE(more_calls(200));
    // In peace: it waits until its standby has all.
    postgres_.Stop(SIGINT);
    EXPECT_TRUE(Eventually([this] { return Reason("INSERT INTO effects VALUES (0, 0)") == "READ_ONLY"; }));
    EXPECT_TRUE(more_calls(200));
    EXPECT_EQ(Reason("SELECT 1"), "");
    Direct(standby.ConnectionString()).Run("SELECT pg_promote()");
    EXPECT_TRUE(Eventually([this] { return Reason("DELETE FROM effects WHERE call = 0") == ""; }));
    EXPECT_TRUE(more_calls(200));
  }
  Direct database(standby.ConnectionString());
  Report(&database);
}

}  // namespace
}  // namespace sluice
