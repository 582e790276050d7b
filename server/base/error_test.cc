#include "server/base/error.h"

#include "gtest/gtest.h"
#include "server/base/errors.h"

namespace sluice {
namespace {

TEST(ErrorTest, NobodyIsInvitedToDoAgainWhatMayBeDone) {
  for (const Outcome outcome : {v1::OUTCOME_NOT_STARTED, v1::OUTCOME_ROLLED_BACK}) {
    EXPECT_TRUE(FactsOf(errors::Draining(outcome)).retry_after.has_value()) << OutcomeName(outcome);
  }
  for (const Outcome outcome : {v1::OUTCOME_COMMITTED, v1::OUTCOME_UNKNOWN}) {
    EXPECT_FALSE(FactsOf(errors::Draining(outcome)).retry_after.has_value()) << OutcomeName(outcome);
    EXPECT_FALSE(FactsOf(WithOutcome(errors::TransactionLost("x"), outcome)).retry_after.has_value())
        << OutcomeName(outcome);
  }
}

TEST(ErrorTest, WhatMayBeDoneAndCanBeRepeatedKeepsItsInvitation) {
  const ErrorFacts facts = FactsOf(PerhapsDoneBefore(errors::TransactionLost("x")));
  EXPECT_EQ(facts.outcome, v1::OUTCOME_UNKNOWN);
  EXPECT_TRUE(facts.retry_after.has_value());
}

}  // namespace
}  // namespace sluice
