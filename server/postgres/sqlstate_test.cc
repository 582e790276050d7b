#include "server/postgres/sqlstate.h"

#include <string>

#include "gtest/gtest.h"
#include "server/postgres/condition_names.h"

namespace sluice::postgres {
namespace {

ServerError Error(const std::string& sqlstate, const std::string& message) {
  ServerError error;
  error.severity = "ERROR";
  error.sqlstate = sqlstate;
  error.message = message;
  return error;
}

TEST(SqlStateTest, ExactCodesComeBeforeClasses) {
  EXPECT_EQ(CodeOfSqlState("23505"), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(CodeOfSqlState("23514"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOfSqlState("22003"), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(CodeOfSqlState("22P02"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOfSqlState("42501"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOfSqlState("28P01"), absl::StatusCode::kInternal);
  EXPECT_EQ(CodeOfSqlState("XX001"), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOfSqlState("ZZ999"), absl::StatusCode::kUnknown);
  EXPECT_EQ(CodeOfSqlState(""), absl::StatusCode::kUnknown);
}

TEST(SqlStateTest, AFunctionMayPickTheGrpcCode) {
  EXPECT_EQ(CodeOfSqlState("GR005"), absl::StatusCode::kNotFound);
  EXPECT_EQ(CodeOfSqlState("GR016"), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(CodeOfSqlState("GR000"), absl::StatusCode::kUnknown);
  EXPECT_EQ(CodeOfSqlState("GR017"), absl::StatusCode::kUnknown);
}

TEST(SqlStateTest, ReasonsArePostgresOwnNames) {
  EXPECT_EQ(ConditionName("40001"), "SERIALIZATION_FAILURE");
  EXPECT_EQ(ConditionName("23505"), "UNIQUE_VIOLATION");
  EXPECT_EQ(ConditionName("XX002"), "INDEX_CORRUPTED");
  EXPECT_EQ(ConditionName("GR005"), "");
}

TEST(SqlStateTest, AnUnknownOutcomeNeverInvitesARetry) {
  const ErrorFacts facts = FactsOf(FromServerError(Error("57P01", "terminating"), v1::OUTCOME_UNKNOWN, false, 0));
  EXPECT_EQ(facts.code, absl::StatusCode::kUnknown);
  EXPECT_EQ(facts.reason, "OUTCOME_UNKNOWN");
  EXPECT_EQ(facts.metadata.at("sqlstate"), "57P01");
  EXPECT_FALSE(facts.retry_after.has_value());
}

TEST(SqlStateTest, AVerdictKeepsItsCodeAlsoWhenPartOfTheWorkMayBeDone) {
  const ErrorFacts facts = FactsOf(FromServerError(Error("40001", "conflict"), v1::OUTCOME_UNKNOWN, true, 0));
  EXPECT_EQ(facts.code, absl::StatusCode::kAborted);
  EXPECT_EQ(facts.outcome, v1::OUTCOME_UNKNOWN);
  EXPECT_FALSE(facts.retry_after.has_value());
}

TEST(SqlStateTest, WhatDidNotRunIsUnavailableWhateverCodeThePoolerUses) {
  const ErrorFacts facts =
      FactsOf(FromServerError(Error("08P01", "query_wait_timeout"), v1::OUTCOME_NOT_STARTED, false, 0));
  EXPECT_EQ(facts.code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(facts.reason, "BACKEND_UNREACHABLE");
  EXPECT_TRUE(facts.retry_after.has_value());
}

TEST(SqlStateTest, ABrokenConnectionOfPostgresItsOwnInvitesNoRetry) {
  const ErrorFacts facts = FactsOf(FromServerError(Error("08006", "dblink: lost"), v1::OUTCOME_ROLLED_BACK, true, 0));
  EXPECT_EQ(facts.code, absl::StatusCode::kUnknown);
  EXPECT_FALSE(facts.retry_after.has_value());
}

TEST(SqlStateTest, LongFieldsAreCutBetweenCharacters) {
  ServerError error = Error("P0001", std::string(5000, 'x'));
  for (int i = 0; i < 500; ++i) error.detail += u8"é";
  const ErrorFacts facts = FactsOf(FromServerError(error, v1::OUTCOME_ROLLED_BACK, true, 0));
  EXPECT_EQ(facts.message.size(), 1024u);
  EXPECT_EQ(facts.postgres->detail().substr(facts.postgres->detail().size() - 5), u8"é...");
}

}  // namespace
}  // namespace sluice::postgres
