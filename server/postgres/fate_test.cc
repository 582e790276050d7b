#include "server/postgres/fate.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"

namespace sluice::postgres {
namespace {

ServerError Error(absl::string_view severity, absl::string_view sqlstate, absl::string_view message) {
  ServerError error;
  error.severity = std::string(severity);
  error.sqlstate = std::string(sqlstate);
  error.message = std::string(message);
  return error;
}

SentMessage Broken() {
  SentMessage sent;
  sent.connection_lost = true;
  sent.behind_pooler = true;
  return sent;
}

SentMessage Alive() {
  SentMessage sent;
  sent.behind_pooler = true;
  return sent;
}

std::string NameOf(const testing::TestParamInfo<KnownError>& info) {
  std::string name = absl::StrCat(info.index, "_", info.param.sqlstate, "_");
  for (const char c : info.param.text) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

// A text as the speaker says it: the row's own with something in each gap and behind it.
ServerError AsSaid(const KnownError& row) {
  return Error("FATAL", row.sqlstate,
               absl::StrCat(absl::StrReplaceAll(row.text, {{"...", "c1f2 whatever "}}), " (some detail)"));
}

class KnownErrorTest : public testing::TestWithParam<KnownError> {};

// Each row is reached by its own text: no row before it takes it away.
TEST_P(KnownErrorTest, DecidesTheFateOfAMessageThatWasSent) {
  EXPECT_EQ(FateOfSent(AsSaid(GetParam()), Broken()), GetParam().fate);
}

// Whoever speaks after a result came can not mean that nothing ran.
TEST_P(KnownErrorTest, IsNoExcuseForAMessageThatRuns) {
  SentMessage runs = Broken();
  runs.results_came = true;
  EXPECT_EQ(FateOfSent(AsSaid(GetParam()), runs), Fate::kUnknown);
}

// A pooler that lost its server may say so as an ERROR and keep the session (PgDog, Odyssey).
TEST_P(KnownErrorTest, AnErrorOfAPoolerThatMayHideACommitIsNoVerdict) {
  if (GetParam().speaker == Speaker::kPostgres || GetParam().fate != Fate::kUnknown) return;
  ServerError error = AsSaid(GetParam());
  error.severity = "ERROR";
  SentMessage sent = Alive();
  sent.behind_pooler = true;
  for (const bool has_prelude : {false, true}) {
    sent.has_prelude = has_prelude;
    sent.results_came = has_prelude;
    EXPECT_EQ(FateOfSent(error, sent), Fate::kUnknown);
  }
}

TEST_P(KnownErrorTest, NothingHasRunBeforeTheLogin) {
  const Fate fate = FateOfConnect(AsSaid(GetParam()));
  if (GetParam().fate == Fate::kMisconfigured || GetParam().fate == Fate::kBadCredentials) {
    EXPECT_EQ(fate, GetParam().fate);
  } else {
    EXPECT_EQ(fate, Fate::kNotRun);
  }
}

INSTANTIATE_TEST_SUITE_P(Catalogue, KnownErrorTest, testing::ValuesIn(KnownErrors().begin(), KnownErrors().end()),
                         NameOf);

TEST(FateTest, WhatNobodyKnowsIsUnknownIfTheSessionBroke) {
  EXPECT_EQ(FateOfSent(Error("FATAL", "08P01", "a text of tomorrow"), Broken()), Fate::kUnknown);
  EXPECT_EQ(FateOfSent(Error("", "", "server closed the connection unexpectedly"), Broken()), Fate::kUnknown);
}

TEST(FateTest, APoolersWordOfTomorrowIsNoVerdict) {
  SentMessage sent = Alive();
  sent.behind_pooler = true;
  EXPECT_EQ(FateOfSent(Error("ERROR", "58000", "lost it in a new way"), sent), Fate::kUnknown);
  EXPECT_EQ(FateOfSent(Error("ERROR", "08006", "odyssey: c1: lost it in a new way"), sent), Fate::kUnknown);
  sent.behind_pooler = false;
  EXPECT_EQ(FateOfSent(Error("ERROR", "58000", "could not open a file"), sent), Fate::kFailed);
}

TEST(FateTest, AnErrorOfPostgresIsItsVerdict) {
  EXPECT_EQ(FateOfSent(Error("ERROR", "23505", "duplicate key"), Alive()), Fate::kFailed);
  // It is final also when the session breaks behind it: nothing was committed.
  EXPECT_EQ(FateOfSent(Error("ERROR", "23505", "duplicate key"), Broken()), Fate::kFailed);
  // A function may raise any code of PostgreSQL's by itself, and the session lives on.
  EXPECT_EQ(FateOfSent(Error("ERROR", "57P01", "raised by a function"), Alive()), Fate::kFailed);
}

TEST(FateTest, PgCatsFatalDoesNotCloseTheSession) {
  EXPECT_EQ(FateOfSent(Error("FATAL", "58000", "could not get connection from the pool - AllServersDown"), Alive()),
            Fate::kNotRun);
}

// RAISE ... USING ERRCODE can say anything: a statement that committed midway and then says
// what PgDog says would be run again and again.
TEST(FateTest, AStatementCanNotSpeakForAPooler) {
  const ServerError forged = Error("ERROR", "58000", "checkout timeout");
  EXPECT_EQ(FateOfSent(forged, Alive()), Fate::kFailed);
  SentMessage direct = Broken();
  direct.behind_pooler = false;
  EXPECT_NE(FateOfSent(Error("FATAL", "58000", "checkout timeout"), direct), Fate::kNotRun);
  // Before the prelude's own results it can only be the pooler.
  SentMessage unanswered = Alive();
  unanswered.has_prelude = true;
  EXPECT_EQ(FateOfSent(forged, unanswered), Fate::kNotRun);
}

TEST(FateTest, AnUnderscoreDecides) {
  EXPECT_EQ(FateOfSent(Error("FATAL", "08P01", "query_timeout"), Broken()), Fate::kNotRun);
  EXPECT_EQ(FateOfSent(Error("FATAL", "08P01", "query timeout"), Broken()), Fate::kUnknown);
}

TEST(FateTest, TlsThatFailsIsNoWeather) {
  EXPECT_EQ(FateOfConnect(Error("FATAL", "", "SSL error: certificate verify failed")), Fate::kMisconfigured);
  EXPECT_EQ(FateOfConnect(Error("FATAL", "", "connection to server failed: Connection refused")), Fate::kNotRun);
  EXPECT_EQ(FateOfConnect(Error("FATAL", "3D000", "database \"x\" does not exist")), Fate::kMisconfigured);
}

TEST(FateTest, KnowsWhoRefusesSet) {
  EXPECT_TRUE(RefusesSetBesideStatements(
      Error("ERROR", "42601", "multi-statement queries cannot mix SET with other commands")));
  EXPECT_FALSE(RefusesSetBesideStatements(Error("ERROR", "42601", "syntax error")));
}

TEST(ConnectErrorTest, FindsTheServersWordInLibpqsText) {
  const ServerError error = ParseConnectError(
      "connection to server at \"db\" (10.0.0.1), port 5432 failed: Connection refused\n"
      "connection to server at \"db\" (10.0.0.2), port 5432 failed: FATAL:  28P01: password authentication failed for "
      "user \"app\"\nLOCATION:  auth_failed, auth.c:326\n");
  EXPECT_EQ(error.sqlstate, "28P01");
  EXPECT_EQ(error.message, "password authentication failed for user \"app\"");
}

TEST(ConnectErrorTest, KeepsTextsWithoutAServersWord) {
  const ServerError error = ParseConnectError("connection to server failed: No such file or directory\n");
  EXPECT_EQ(error.sqlstate, "");
  EXPECT_EQ(error.message, "connection to server failed: No such file or directory");
}

}  // namespace
}  // namespace sluice::postgres
