// Listen: every notification of its channels, in order, to any number of subscribers, over one connection; and whoever
// may have missed something is told so.

#include <grpcpp/create_channel.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/fixture.h"
#include "tests/support/fault_proxy.h"

namespace sluice {
namespace {

using testing_support::Eventually;
using testing_support::FaultProxy;
using testing_support::Gateway;

class ListenTest : public ConformanceTest {
 protected:
  std::string DirectUrl() { return postgres_->Url(); }
  // Calls go through PgBouncer in transaction mode, notifications do not.
  std::unique_ptr<Gateway> Start(std::vector<std::string> flags = {}, const std::string& listen_url = "") {
    flags.push_back("--listen_url=" + (listen_url.empty() ? DirectUrl() : listen_url));
    return std::make_unique<Gateway>(pgbouncer_->Url(), flags);
  }

  // The next event that is no heartbeat; empty at the end.
  static v1::ListenResponse NextOf(client::Subscription* subscription) {
    while (subscription->Next()) {
      if (!subscription->event().has_heartbeat()) return subscription->event();
    }
    return v1::ListenResponse();
  }
  static client::Subscription Ready(const Gateway& gateway, const std::vector<std::string>& channels) {
    client::Subscription subscription = gateway.Client().Listen(channels);
    EXPECT_TRUE(NextOf(&subscription).has_ready()) << subscription.status();
    return subscription;
  }
  static std::string PayloadOf(const v1::ListenResponse& event) {
    return event.has_notification() ? event.notification().payload() : event.ShortDebugString();
  }

  void Notify(const std::string& channel, const std::string& payload) {
    Direct().Run(absl::StrCat("SELECT pg_notify('", channel, "', '", payload, "')"));
  }
  // Sessions of gateways that listen.
  std::string Listeners() {
    return Direct().Value("SELECT count(*) FROM pg_stat_activity WHERE query ~ '^(LISTEN|UNLISTEN|NOTIFY)'");
  }
};

TEST_F(ListenTest, NotificationsComeInOrder) {
  const auto gateway = Start();
  client::Subscription jobs = Ready(*gateway, {"jobs", "Other Channel"});
  ASSERT_TRUE(gateway->Client().Execute("SELECT pg_notify('jobs', i::text) FROM generate_series(1, 5000) i").ok());
  Notify("Other Channel", "it''s");
  for (int i = 1; i <= 5000; ++i) ASSERT_EQ(PayloadOf(NextOf(&jobs)), absl::StrCat(i));
  const v1::ListenResponse last = NextOf(&jobs);
  EXPECT_EQ(last.notification().channel(), "Other Channel");
  EXPECT_EQ(last.notification().payload(), "it's");
  EXPECT_GT(last.notification().backend_pid(), 0);
  EXPECT_GT(last.notification().received_at().seconds(), 1700000000);
}

// A channel that somebody else does not listen to any more is still mine.
TEST_F(ListenTest, EachHearsItsOwnChannels) {
  const auto gateway = Start();
  client::Subscription a = Ready(*gateway, {"a", "both", "a"});
  {
    client::Subscription b = Ready(*gateway, {"b", "both"});
    Notify("b", "for b");
    Notify("a", "for a");
    Notify("both", "for both");
    EXPECT_EQ(PayloadOf(NextOf(&b)), "for b");
    EXPECT_EQ(PayloadOf(NextOf(&b)), "for both");
    EXPECT_EQ(PayloadOf(NextOf(&a)), "for a");
    EXPECT_EQ(PayloadOf(NextOf(&a)), "for both");
  }
  EXPECT_TRUE(Eventually([this] {
    return Direct().Value(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
               "'UNLISTEN%'") == "1";
  }));
  Notify("both", "still");
  Notify("b", "nobody");
  Notify("a", "last");
  EXPECT_EQ(PayloadOf(NextOf(&a)), "still");
  EXPECT_EQ(PayloadOf(NextOf(&a)), "last");
  EXPECT_EQ(Listeners(), "1");
}

TEST_F(ListenTest, ManyShareOneConnection) {
  const auto gateway = Start();
  std::vector<client::Subscription> all;
  for (int i = 0; i < 200; ++i) all.push_back(Ready(*gateway, {"news", absl::StrCat("own_", i)}));
  EXPECT_EQ(Listeners(), "1");
  Notify("news", "for all");
  for (int i = 0; i < 200; ++i) Notify(absl::StrCat("own_", i), absl::StrCat("for ", i));
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(PayloadOf(NextOf(&all[i])), "for all");
    EXPECT_EQ(PayloadOf(NextOf(&all[i])), absl::StrCat("for ", i));
  }
}

TEST_F(ListenTest, WhoeverMayHaveMissedSomethingIsTold) {
  const auto gateway = Start();
  client::Subscription jobs = Ready(*gateway, {"jobs"});
  Direct().Run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^LISTEN'");
  EXPECT_TRUE(NextOf(&jobs).has_gap());
  const v1::ListenResponse again = NextOf(&jobs);
  EXPECT_TRUE(again.has_ready()) << again.ShortDebugString();
  EXPECT_TRUE(again.ready().has_gap());
  Notify("jobs", "after");
  EXPECT_EQ(PayloadOf(NextOf(&jobs)), "after");
  EXPECT_TRUE(gateway->Logs("listener_lost"));
}

// Nothing is said any more, and nothing is closed: only the proof finds out.
TEST_F(ListenTest, ALinkThatIsDeadIsFound) {
  FaultProxy proxy(absl::StrCat(postgres_->socket_directory(), "/.s.PGSQL.5432"));
  const auto gateway = Start({"--listen_heartbeat=50ms"}, proxy.Url());
  client::Subscription jobs = gateway->Client().Listen({"jobs"});
  ASSERT_TRUE(jobs.Next());
  EXPECT_TRUE(jobs.event().has_ready());
  ASSERT_TRUE(jobs.Next());
  EXPECT_TRUE(jobs.event().has_heartbeat());
  proxy.Hold(FaultProxy::Way::kToClient);
  EXPECT_TRUE(NextOf(&jobs).has_gap());
  proxy.Release(FaultProxy::Way::kToClient);
  EXPECT_TRUE(NextOf(&jobs).has_ready());
}

TEST_F(ListenTest, AGatewayThatEndsSaysSoAndItsClientsComeBack) {
  auto gateway = Start({"--drain_delay=0s"});
  const std::string address = gateway->address();
  client::Subscription stays = Ready(*gateway, {"jobs"});
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::ListenRequest request;
  request.add_channels("jobs");
  const auto raw = stub->Listen(&context, request);
  v1::ListenResponse event;
  ASSERT_TRUE(raw->Read(&event));
  EXPECT_EQ(gateway->Drain(), 0);
  while (raw->Read(&event)) continue;
  const grpc::Status end = raw->Finish();
  EXPECT_EQ(end.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(absl::StrContains(end.error_details(), "DRAINING"));
  EXPECT_TRUE(NextOf(&stays).has_gap());
  const auto successor = Start({"--listen=" + address});
  EXPECT_TRUE(NextOf(&stays).has_ready());
  Notify("jobs", "to the successor");
  EXPECT_EQ(PayloadOf(NextOf(&stays)), "to the successor");
}

TEST_F(ListenTest, AStoppedSubscriptionEnds) {
  const auto gateway = Start();
  client::Subscription jobs = Ready(*gateway, {"jobs"});
  auto next = std::async(std::launch::async, [&jobs] { return NextOf(&jobs); });
  jobs.Stop();
  EXPECT_EQ(next.get().event_case(), v1::ListenResponse::EVENT_NOT_SET);
  EXPECT_TRUE(jobs.status().ok());
}

// It loses its place, and nobody else anything.
TEST_F(ListenTest, OneWhoDoesNotReadIsDropped) {
  const auto gateway = Start({"--stream_stall_max=1s"});
  client::Subscription reads = Ready(*gateway, {"flood"});
  client::Subscription sleeps = gateway->Client().Listen({"flood"}, absl::ZeroDuration());
  ASSERT_TRUE(NextOf(&sleeps).has_ready());
  constexpr int kAll = 200000;
  std::atomic<int> heard{0};
  std::atomic<bool> failed{false};
  auto reader = std::async(std::launch::async, [&] {
    for (int i = 1; i <= kAll; ++i) {
      const std::string payload = PayloadOf(NextOf(&reads));
      heard = i;
      if (!absl::StartsWith(payload, absl::StrCat(i, "-"))) {
        failed = true;
        return absl::StrCat(i, ": ", payload.substr(0, 100));
      }
    }
    return std::string("all");
  });
  for (int part = 0; part < 8; ++part) {
    Direct().Run(absl::StrCat("SELECT pg_notify('flood', i || '-' || repeat('x', 100)) FROM generate_series(",
                              part * kAll / 8 + 1, ", ", (part + 1) * kAll / 8, ") i"));
    ASSERT_TRUE(Eventually([&] { return heard >= (part + 1) * kAll / 8 || failed; }));
  }
  EXPECT_EQ(reader.get(), "all");
  EXPECT_TRUE(gateway->Logs("SUBSCRIBER_TOO_SLOW")) << gateway->log();
  // What it is still sent has no hole.
  int last = 0;
  for (v1::ListenResponse event = NextOf(&sleeps); event.has_notification(); event = NextOf(&sleeps)) {
    ASSERT_TRUE(absl::StartsWith(PayloadOf(event), absl::StrCat(last + 1, "-"))) << last;
    ++last;
  }
  EXPECT_LT(last, kAll);
  EXPECT_FALSE(sleeps.status().ok());
}

// In bytes as well: large payloads wait for nobody without a bound.
TEST_F(ListenTest, OneWhoDoesNotReadLargeNotificationsIsDroppedSooner) {
  const auto gateway = Start({"--stream_stall_max=1s"});
  client::Subscription sleeps = gateway->Client().Listen({"large"}, absl::ZeroDuration());
  ASSERT_TRUE(NextOf(&sleeps).has_ready());
  for (int part = 0; part < 5; ++part) {
    Direct().Run("SELECT pg_notify('large', i || repeat('x', 7900)) FROM generate_series(1, 2000) i");
  }
  EXPECT_TRUE(gateway->Logs("SUBSCRIBER_TOO_SLOW")) << gateway->log();
}

// Whatever is on its way to one that leaves has nowhere to go any more.
TEST_F(ListenTest, SubscribersMayLeaveWhileNotificationsFlow) {
  const auto gateway = Start();
  client::Subscription stays = Ready(*gateway, {"news"});
  std::atomic<bool> done{false};
  auto notifies = std::async(std::launch::async, [&] {
    testing_support::Direct direct(postgres_->ConnectionString());
    for (int i = 1; !done; ++i) {
      direct.Run(absl::StrCat("SELECT pg_notify('news', '", i, "')"));
      const std::string heard = PayloadOf(NextOf(&stays));
      if (heard != absl::StrCat(i)) return absl::StrCat(heard, " instead of ", i);
    }
    return std::string("all");
  });
  std::vector<std::future<void>> leave;
  for (int thread = 0; thread < 4; ++thread) {
    leave.push_back(std::async(std::launch::async, [&] {
      for (int round = 0; round < 5; ++round) {
        std::vector<client::Subscription> all;
        for (int i = 0; i < 30; ++i) all.push_back(gateway->Client().Listen({"news"}, absl::ZeroDuration()));
        for (client::Subscription& subscription : all) EXPECT_TRUE(subscription.Next()) << subscription.status();
      }
    }));
  }
  for (std::future<void>& thread : leave) thread.get();
  done = true;
  EXPECT_EQ(notifies.get(), "all");
  EXPECT_TRUE(gateway->process().IsRunning());
  EXPECT_FALSE(absl::StrContains(gateway->log(), "SUBSCRIBER_TOO_SLOW"));
}

// In the database's encoding it has no form. Nobody else hears of it.
TEST_F(ListenTest, AChannelThatCanNotBeListenedToIsItsSubscribersError) {
  Direct().Run("DROP DATABASE IF EXISTS latin");
  Direct().Run("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
  const auto gateway = Start({}, postgres_->Url("latin"));
  client::Subscription jobs = Ready(*gateway, {"jobs"});
  client::Subscription refused = gateway->Client().Listen({"other", "\u4e2d"});
  EXPECT_FALSE(refused.Next());
  EXPECT_EQ(ReasonOf(refused.status()), "UNTRANSLATABLE_CHARACTER") << refused.status();
  client::Subscription other = Ready(*gateway, {"other"});
  testing_support::Direct latin(postgres_->ConnectionString("latin"));
  latin.Run("SELECT pg_notify('jobs', 'no gap'), pg_notify('other', 'here')");
  EXPECT_EQ(PayloadOf(NextOf(&jobs)), "no gap");
  EXPECT_EQ(PayloadOf(NextOf(&other)), "here");
  EXPECT_FALSE(absl::StrContains(gateway->log(), "listener_lost"));
}

// As long as nothing is known to have come, something may be missing.
TEST_F(ListenTest, AGapIsAsLongAsTheSilenceBeforeIt) {
  FaultProxy proxy(absl::StrCat(postgres_->socket_directory(), "/.s.PGSQL.5432"));
  const auto gateway = Start({"--listen_heartbeat=1s"}, proxy.Url());
  client::Subscription jobs = Ready(*gateway, {"jobs"});
  const absl::Time good = absl::Now();
  proxy.Hold(FaultProxy::Way::kToClient);
  // Another one on the same channel proves nothing.
  client::Subscription late = gateway->Client().Listen({"jobs"});
  ASSERT_TRUE(late.Next());
  const v1::ListenResponse gap = NextOf(&jobs);
  ASSERT_TRUE(gap.has_gap()) << gap.ShortDebugString();
  const auto length = [](const google::protobuf::Duration& d) {
    return absl::Seconds(d.seconds()) + absl::Nanoseconds(d.nanos());
  };
  EXPECT_GE(length(gap.gap().length()), absl::Now() - good - absl::Seconds(2));
  proxy.Release(FaultProxy::Way::kToClient);
  const v1::ListenResponse again = NextOf(&jobs);
  ASSERT_TRUE(again.has_ready()) << again.ShortDebugString();
  EXPECT_GE(length(again.ready().gap()), length(gap.gap().length()));
}

TEST_F(ListenTest, WrongChannelsAreNamed) {
  const auto gateway = Start();
  const auto reason = [&](const std::vector<std::string>& channels) {
    client::Subscription subscription = gateway->Client().Listen(channels);
    EXPECT_FALSE(subscription.Next());
    return absl::StrCat(ReasonOf(subscription.status()), " ", FactsOf(subscription.status()).metadata["field"]);
  };
  EXPECT_EQ(reason({}), "INVALID_FIELD channels");
  EXPECT_EQ(reason({"a", ""}), "INVALID_FIELD channels[1]");
  EXPECT_EQ(reason({std::string(64, 'x')}), "INVALID_FIELD channels[0]");
  EXPECT_EQ(reason({std::string("a\0b", 3)}), "INVALID_FIELD channels[0]");
  EXPECT_EQ(reason(std::vector<std::string>(101, "a")), "REQUEST_TOO_LARGE channels");
  client::Subscription odd = Ready(*gateway, {"a\"; DROP TABLE x; --"});
  Notify("a\"; DROP TABLE x; --", "quoted");
  EXPECT_EQ(PayloadOf(NextOf(&odd)), "quoted");
}

TEST_F(ListenTest, WithoutAConnectionThatCanListenItIsRefused) {
  const auto reason = [](const Gateway& gateway) {
    client::Subscription subscription = gateway.Client().Listen({"a"}, absl::ZeroDuration());
    EXPECT_FALSE(subscription.Next());
    return absl::StrCat(ReasonOf(subscription.status()), ": ", subscription.status().message());
  };
  EXPECT_TRUE(absl::StartsWith(reason(*gateway_), "LISTEN_OFF"));
  // A transaction pooler takes LISTEN, and nothing ever comes of it.
  const std::string pooled = reason(*Start({}, pgbouncer_->Url()));
  EXPECT_TRUE(absl::StartsWith(pooled, "BACKEND_UNREACHABLE")) << pooled;
  EXPECT_TRUE(absl::StrContains(pooled, "session mode")) << pooled;
  // ... and keeps nothing of the attempt in a backend of others.
  EXPECT_EQ(*gateway_->Client().Execute("SELECT count(*) FROM pg_listening_channels()")->Scalar<int64_t>(), 0);
  const std::string dead = reason(*Start({}, "postgresql://postgres@/nothing?host=/nowhere"));
  EXPECT_TRUE(absl::StartsWith(dead, "BACKEND_UNREACHABLE")) << dead;
}

TEST_F(ListenTest, APoolerInSessionModeWillDo) {
  testing_support::PgBouncer::Options options;
  options.pool_mode = "session";
  const testing_support::PgBouncer session(*postgres_, options);
  const auto gateway = Start({}, session.Url());
  client::Subscription jobs = Ready(*gateway, {"jobs"});
  Notify("jobs", "through the pooler");
  EXPECT_EQ(PayloadOf(NextOf(&jobs)), "through the pooler");
}

}  // namespace
}  // namespace sluice
