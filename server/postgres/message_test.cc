#include "server/postgres/message.h"

#include "gtest/gtest.h"

namespace sluice::postgres {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1000);

FixedPrelude JitOff() {
  FixedPrelude prelude;
  prelude.SetLocal("jit = off");
  return prelude;
}

Flight Of(std::vector<absl::string_view> statements) {
  Flight flight;
  flight.statements = std::move(statements);
  return flight;
}

TEST(MessageTest, WhatACallNeedsTravelsInFrontOfIt) {
  Flight flight = Of({"SELECT 1"});
  flight.isolation = Isolation::kSerializable;
  flight.read_only = true;
  flight.deferrable = true;
  flight.time.work_until = kNow + absl::Milliseconds(250);
  const Message message = Compose(flight, JitOff(), /*sets_time_limit=*/true, kNow);
  EXPECT_EQ(message.text,
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE;SET LOCAL jit = off;"
            "SET LOCAL statement_timeout = 250;SELECT 1");
  EXPECT_EQ(message.prelude_statements, 3u);
}

// statement_timeout = 0 would be no limit at all.
TEST(MessageTest, ADeadlineThatIsAllButOverIsStillALimit) {
  Flight flight = Of({"SELECT 1"});
  flight.time.work_until = kNow + absl::Microseconds(10);
  EXPECT_EQ(Compose(flight, FixedPrelude(), true, kNow).text, "SET LOCAL statement_timeout = 1;SELECT 1");
}

TEST(MessageTest, AStatementMayBeGivenLessThanTheCallHas) {
  Flight flight = Of({"SELECT 1"});
  flight.time.work_until = kNow + absl::Seconds(30);
  flight.statement_time_max = absl::Milliseconds(500);
  const Message message = Compose(flight, FixedPrelude(), true, kNow);
  EXPECT_EQ(message.text, "SET LOCAL statement_timeout = 500;SELECT 1");
  EXPECT_EQ(message.time_limit, absl::Milliseconds(500));
}

TEST(MessageTest, WhatFliesAloneHasNoPrelude) {
  Flight flight = Of({"VACUUM"});
  flight.alone = true;
  flight.time.work_until = kNow + absl::Seconds(1);
  const Message message = Compose(flight, JitOff(), true, kNow);
  EXPECT_EQ(message.text, "VACUUM");
  EXPECT_EQ(message.prelude_statements, 0u);
}

TEST(MessageTest, ACommentAtTheEndOfAStatementDoesNotSwallowTheNext) {
  EXPECT_EQ(Compose(Of({"SELECT 1 -- one", "SELECT 2"}), FixedPrelude(), true, kNow).text,
            "SELECT 1 -- one\n;\nSELECT 2");
}

TEST(MessageTest, AnErrorsPlaceIsInItsStatement) {
  const Message message = Compose(Of({"SELECT 'é'", "SELEC 2"}), JitOff(), true, kNow);
  FlightFailure failure;
  // Of the S of SELEC, in characters of the whole message.
  failure.error.position = 20 + 10 + 3 + 1;
  LocateError(message, /*completed=*/0, &failure);
  EXPECT_EQ(failure.statement, 1u);
  EXPECT_EQ(failure.position, 1);
}

TEST(MessageTest, WithoutAPlaceItIsTheStatementBehindThoseThatCompleted) {
  const Message message = Compose(Of({"SELECT 1", "SELECT 1/0"}), JitOff(), true, kNow);
  FlightFailure failure;
  LocateError(message, /*completed=*/1, &failure);
  EXPECT_EQ(failure.statement, 1u);
  EXPECT_EQ(failure.position, 0);
}

}  // namespace
}  // namespace sluice::postgres
