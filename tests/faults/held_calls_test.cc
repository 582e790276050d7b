// Streams, transactions, COPY and subscriptions on a network that breaks anywhere: what the gateway says of the work is
// what the database did, and nothing stays open.

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/conformance/fixture.h"
#include "tests/support/fault_proxy.h"

namespace sluice {
namespace {

using client::Table;
using testing_support::Eventually;
using testing_support::FaultProxy;
using testing_support::Gateway;
using Way = FaultProxy::Way;

class HeldCallsTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    Direct().Run("DROP TABLE IF EXISTS effects; CREATE TABLE effects (round int, n int)");
    client::Database::Options once;
    once.target = gateway_behind_->address();
    once.retries_max = 0;
    db_ = std::make_unique<client::Database>(*client::Database::Open(once));
  }
  void TearDown() override {
    network_.CutAll();
    ConformanceTest::TearDown();
  }

  // Makes a call on a connection that is open already, and of which so many more bytes pass.
  template <typename Call>
  auto CutAfter(Way way, int64_t bytes, const Call& call) {
    EXPECT_TRUE(Eventually([this] { return db_->Execute("SELECT 1").ok(); }));
    network_.CutAfter(way, bytes);
    const auto result = call();
    // What was not needed: it would cut somebody else.
    network_.CutAfter(way, int64_t{1} << 60);
    return result;
  }

  // Of the round, once nothing of it is going on any more.
  int Effects(int round) {
    EXPECT_TRUE(Eventually([this] {
      return Direct().Value(
                 "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sluice' AND state <> "
                 "'idle'") == "0";
    }));
    int count = 0;
    EXPECT_TRUE(
        absl::SimpleAtoi(Direct().Value(absl::StrCat("SELECT count(*) FROM effects WHERE round = ", round)), &count));
    return count;
  }

  // `all` is what the work does when it is done.
  void ExpectTruth(const absl::Status& told, int round, int all, Way way, int64_t bytes) {
    const int done = Effects(round);
    const std::string where =
        absl::StrCat(bytes, " bytes ", way == Way::kToServer ? "to the server: " : "to the client: ", told.ToString());
    if (told.ok()) {
      EXPECT_EQ(done, all) << where;
    } else if (OutcomeOf(told) == v1::OUTCOME_NOT_STARTED || OutcomeOf(told) == v1::OUTCOME_ROLLED_BACK) {
      EXPECT_EQ(done, 0) << where;
    } else {
      EXPECT_EQ(OutcomeOf(told), v1::OUTCOME_UNKNOWN) << where;
      EXPECT_TRUE(done == 0 || done == all) << done << where;
    }
  }

  // Does a piece of work again and again, with the connection cut somewhere else each time.
  void CutEverywhere(int64_t to_server, int64_t to_client, int all, const std::function<absl::Status(int)>& work) {
    constexpr int kCuts = 25;
    int round = 0;
    for (const auto& [way, size] : {std::pair(Way::kToServer, to_server), std::pair(Way::kToClient, to_client)}) {
      for (int cut = 0; cut <= kCuts; ++cut) {
        const int64_t bytes = size * cut / kCuts;
        ++round;
        ExpectTruth(CutAfter(way, bytes, [&] { return work(round); }), round, all, way, bytes);
      }
    }
  }

  FaultProxy network_{postgres_->socket_directory() + "/.s.PGSQL.5432"};
  // Of the session that listens.
  FaultProxy listeners_network_{postgres_->socket_directory() + "/.s.PGSQL.5432"};
  std::unique_ptr<Gateway> gateway_behind_ = std::make_unique<Gateway>(
      network_.Url(), std::vector<std::string>{"--pool_size=2", "--listen_url=" + listeners_network_.Url()});
  std::unique_ptr<client::Database> db_;
};

TEST_F(HeldCallsTest, WhereverALoadIsCutItsOutcomeIsTrue) {
  CutEverywhere(/*to_server=*/11000, /*to_client=*/150, /*all=*/1000, [this](int round) {
    client::CopyWriter copy = db_->CopyIn(Table("effects"));
    for (int i = 0; i < 1000; ++i) copy.Write(absl::StrCat(round, "\t", i, "\n"));
    return copy.Commit().status();
  });
}

TEST_F(HeldCallsTest, WhereverATransactionIsCutItsOutcomeIsTrue) {
  CutEverywhere(/*to_server=*/700, /*to_client=*/300, /*all=*/3, [this](int round) {
    client::Transaction transaction = db_->Begin();
    for (int i = 0; i < 2; ++i) {
      const auto result = transaction.Execute("INSERT INTO effects VALUES ($1, $2)", round, i);
      if (!result.ok()) return result.status();
    }
    return transaction.ExecuteAndCommit(client::Statement("INSERT INTO effects VALUES ($1, 2)", round)).status();
  });
}

// A write whose rows are streamed.
TEST_F(HeldCallsTest, WhereverAStreamIsCutItsOutcomeIsTrue) {
  CutEverywhere(/*to_server=*/350, /*to_client=*/20000, /*all=*/1000, [this](int round) {
    client::RowStream rows =
        db_->Stream("INSERT INTO effects SELECT $1::int, i FROM generate_series(1, 1000) i RETURNING n", round);
    int last = 0;
    for (client::Row row : rows) EXPECT_EQ(*row.Get<int32_t>("n"), ++last);
    EXPECT_TRUE(!rows.status().ok() || last == 1000) << last;
    return rows.status();
  });
}

// What has come is a part of the whole, or all of it.
TEST_F(HeldCallsTest, WhereverADumpIsCutItIsNotTakenForWhole) {
  Direct().Run("INSERT INTO effects SELECT 0, i FROM generate_series(1, 2000) i");
  const std::string query = "SELECT n FROM effects WHERE round = 0 ORDER BY n";
  std::string whole;
  for (int i = 1; i <= 2000; ++i) absl::StrAppend(&whole, i, "\n");
  for (int64_t bytes = 0; bytes < 22000; bytes += 1000) {
    const bool good = CutAfter(Way::kToClient, bytes, [&] {
      client::CopyReader reader = db_->CopyOut(client::Statement(query));
      std::string all;
      for (std::string piece; reader.Read(&piece);) all += piece;
      EXPECT_EQ(all, whole.substr(0, all.size()));
      EXPECT_TRUE(!reader.status().ok() || all.size() == whole.size()) << all.size();
      return reader.status().ok() || !reader.status().message().empty();
    });
    EXPECT_TRUE(good);
  }
}

// Half-open: nothing comes, and nothing is closed. Each ends by its deadline, and whoever comes next is served.
TEST_F(HeldCallsTest, ADeadLinkHoldsNobodyPastItsDeadline) {
  client::CallOptions brief;
  brief.timeout = absl::Seconds(1);
  client::TransactionOptions brief_transaction;
  brief_transaction.timeout = absl::Seconds(1);
  const std::vector<std::function<absl::Status()>> calls = {
      [&] {
        client::RowStream rows = db_->Stream(client::Statement("SELECT generate_series(1, 100000000)"), brief);
        while (rows.Next()) continue;
        return rows.status();
      },
      [&] { return db_->Begin(brief_transaction).Execute("INSERT INTO effects VALUES (1, 1)").status(); },
      [&] {
        client::CopyWriter copy = db_->CopyIn(Table("effects"), v1::CopyFormat(), brief);
        copy.Write("1\t1\n");
        return copy.Commit().status();
      },
      [&] {
        client::CopyReader reader = db_->CopyOut(Table("effects"), v1::CopyFormat(), brief);
        for (std::string piece; reader.Read(&piece);) continue;
        return reader.status();
      }};
  for (const auto& call : calls) {
    ASSERT_TRUE(Eventually([this] { return db_->Execute("SELECT 1").ok(); }));
    network_.Hold(Way::kToClient);
    const absl::Time begin = absl::Now();
    EXPECT_EQ(call().code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
    network_.Release(Way::kToClient);
    network_.CutAll();
  }
  EXPECT_EQ(Effects(1), 0);
}

// In order and once; and none is missing without a gap.
TEST_F(HeldCallsTest, WhereverASubscriptionIsCutAGapSaysSo) {
  client::Subscription all = gateway_behind_->Client().Listen({"news"});
  ASSERT_TRUE(all.Next());
  ASSERT_TRUE(all.event().has_ready()) << all.status();
  testing_support::Direct publisher(postgres_->ConnectionString());
  int sent = 0, last = 0;
  for (int cut = 0; cut < 20; ++cut) {
    listeners_network_.CutAfter(Way::kToClient, cut * 23);
    bool had_gap = false, is_ready = true;
    // Until it is cut, and is there again, and has heard the last one.
    while (!had_gap || !is_ready || last < sent) {
      if (is_ready) publisher.Run(absl::StrCat("SELECT pg_notify('news', '", ++sent, "')"));
      ASSERT_TRUE(all.Next()) << all.status();
      had_gap |= all.event().has_gap();
      if (all.event().has_gap()) is_ready = false;
      if (all.event().has_ready()) is_ready = true;
      if (!all.event().has_notification()) continue;
      int heard = 0;
      ASSERT_TRUE(absl::SimpleAtoi(all.event().notification().payload(), &heard));
      ASSERT_GT(heard, last);
      ASSERT_TRUE(had_gap || heard == last + 1) << heard << " behind " << last;
      last = heard;
    }
  }
}

// The cancel comes when PostgreSQL has sent all: what was not passed on any more is missing, and not told to be whole.
TEST_F(HeldCallsTest, AnAnswerThatIsCutShortIsNeverCalledWhole) {
  const std::string cancel_code("\x04\xd2\x16\x2e", 4);
  for (const bool is_copy : {false, true}) {
    FaultProxy network(postgres_->socket_directory() + "/.s.PGSQL.5432");
    const Gateway gateway(network.Url(), {"--stream_timeout=700ms"});
    ASSERT_TRUE(gateway.Client().Execute("SELECT 1").ok());
    client::CallOptions patient;
    patient.timeout = absl::InfiniteDuration();
    const client::Statement query("INSERT INTO effects SELECT 1, generate_series(1, 20000) RETURNING n, 'row ' || n");
    network.HoldFrom(Way::kToClient, "row 15000");
    auto end = std::async(std::launch::async, [&] {
      if (is_copy) {
        client::CopyReader reader = gateway.Client().CopyOut(query, v1::CopyFormat(), patient);
        for (std::string piece; reader.Read(&piece);) continue;
        return reader.status();
      }
      client::RowStream rows = gateway.Client().Stream(query, patient);
      while (rows.Next()) continue;
      return rows.status();
    });
    EXPECT_TRUE(Eventually([&] { return network.PiecesWith(Way::kToServer, {cancel_code}) > 0; }));
    network.Release(Way::kToClient);
    const absl::Status told = end.get();
    EXPECT_EQ(ReasonOf(told), "DEADLINE_EXCEEDED") << told;
    EXPECT_EQ(OutcomeOf(told), v1::OUTCOME_COMMITTED) << told;
  }
  EXPECT_EQ(Effects(1), 40000);
}

}  // namespace
}  // namespace sluice
