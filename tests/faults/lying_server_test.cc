// A server whose answers are garbage here and there: lengths, counts, types, texts. Every call ends in its time,
// whatever it is told, and the gateway goes on; with a server that tells the truth again all is well.

#include <string>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/conformance/fixture.h"
#include "tests/support/fault_proxy.h"

namespace sluice {
namespace {

using client::Statement;
using testing_support::Eventually;
using testing_support::FaultProxy;
using testing_support::Gateway;

// Values of every kind that has a form of its own.
constexpr char kEverything[] =
    "SELECT i, i::int8, i / 3.0::float8, i % 2 = 0, 'text ' || i, '\\x00ff'::bytea, now(), now()::timestamp, "
    "current_date, "
    "interval '1 year 2 days 3 seconds', i / 7::numeric, ARRAY[[i, NULL], [2, 3]], gen_random_uuid(), '{\"a\": "
    "1}'::jsonb, "
    "(1, 'x'), NULL FROM generate_series(1, 50) i";

TEST(LyingServerTest, WhateverItSaysCallsEnd) {
  testing_support::PostgresServer postgres;
  FaultProxy network(postgres.socket_directory() + "/.s.PGSQL.5432");
  Gateway gateway(network.Url(), {"--pool_size=4", "--connect_timeout=500ms"});
  ASSERT_TRUE(gateway.AwaitReady());
  client::Database::Options options;
  options.target = gateway.address();
  options.retries_max = 0;
  const client::Database db = *client::Database::Open(options);
  const client::Result truth = *db.Execute(kEverything);
  client::CallOptions call;
  call.timeout = absl::Milliseconds(400);
  int ended = 0, answered = 0;
  for (const int one_in : {50000, 3000, 200}) {
    network.Corrupt(FaultProxy::Way::kToClient, one_in);
    for (int round = 0; round < 40; ++round) {
      const absl::Time begin = absl::Now();
      switch (round % 4) {
        case 0:
        case 1: answered += db.Execute(Statement(kEverything), call).ok() ? 1 : 0; break;
        case 2: {
          client::RowStream rows = db.Stream(Statement(kEverything), call);
          while (rows.Next()) continue;
          break;
        }
        default: {
          client::CopyReader reader = db.CopyOut(Statement(kEverything), v1::CopyFormat(), call);
          for (std::string piece; reader.Read(&piece);) continue;
        }
      }
      // Their own deadline and what it takes to say so.
      EXPECT_LT(absl::Now() - begin, absl::Seconds(5)) << one_in << " " << round;
      ++ended;
    }
  }
  EXPECT_EQ(ended, 120);
  // It was not only refused at the login.
  EXPECT_GT(answered, 0);
  network.Corrupt(FaultProxy::Way::kToClient, 0);
  network.CutAll();
  absl::StatusOr<client::Result> again = absl::UnknownError("");
  EXPECT_TRUE(Eventually([&] { return (again = db.Execute("SELECT 42")).ok(); })) << again.status();
  EXPECT_EQ(*again->Scalar<int32_t>(), 42);
  EXPECT_TRUE(gateway.process().IsRunning());
}

}  // namespace
}  // namespace sluice
