#include "server/postgres/jit.h"

#include "gtest/gtest.h"

namespace sluice::postgres {
namespace {

JitFinding Finding(const char* setting, const char* source) { return {setting, source, /*behind_pooler=*/false}; }

TEST(JitPolicyTest, AutoUsesThePrefixUnlessJitIsOffForGood) {
  const JitPolicy policy(JitStrategy::kAuto);
  EXPECT_TRUE(policy.wants_prefix(Finding("on", "default")));
  EXPECT_FALSE(policy.wants_prefix(Finding("off", "user")));
  EXPECT_FALSE(policy.wants_prefix(Finding("off", "database")));
  EXPECT_FALSE(policy.wants_prefix(Finding("off", "configuration file")));
}

// asyncpg leaves SET jit = off on whichever backend a pooler gave it.
TEST(JitPolicyTest, WhatSomebodySetInOneSessionDoesNotCount) {
  const JitPolicy policy(JitStrategy::kAuto);
  EXPECT_TRUE(policy.wants_prefix(Finding("off", "session")));
  EXPECT_TRUE(policy.wants_prefix(Finding("off", "client")));
}

// Another client's SET jit = on stays on a backend that this session gets later.
TEST(JitPolicyTest, BehindAPoolerTheRolesSettingIsNotReliedOn) {
  EXPECT_TRUE(JitPolicy(JitStrategy::kAuto).wants_prefix({"off", "user", /*behind_pooler=*/true}));
  EXPECT_FALSE(JitPolicy(JitStrategy::kAuto).wants_prefix({"", "", /*behind_pooler=*/true}));
}

TEST(JitPolicyTest, BeforePostgres11ThereIsNone) {
  EXPECT_FALSE(JitPolicy(JitStrategy::kAuto).wants_prefix(Finding("", "")));
  EXPECT_TRUE(JitPolicy(JitStrategy::kRole).Verify(Finding("", "")).ok());
}

TEST(JitPolicyTest, APoolerThatRefusesSetGetsTheStartupOption) {
  JitPolicy policy(JitStrategy::kAuto);
  EXPECT_FALSE(policy.wants_startup_option());
  policy.OnSetRefused();
  EXPECT_TRUE(policy.wants_startup_option());
  EXPECT_FALSE(policy.wants_prefix(Finding("on", "default")));
  EXPECT_FALSE(policy.may_set_beside_statements());
  EXPECT_EQ(policy.Effective(Finding("off", "client")), "startup");
  EXPECT_TRUE(policy.Verify(Finding("off", "client")).ok());
  // It was dropped without a word.
  EXPECT_FALSE(policy.Verify(Finding("on", "default")).ok());
}

TEST(JitPolicyTest, AConfiguredStrategyIsVerified) {
  EXPECT_FALSE(JitPolicy(JitStrategy::kRole).Verify(Finding("on", "default")).ok());
  EXPECT_TRUE(JitPolicy(JitStrategy::kRole).Verify(Finding("off", "user")).ok());
  EXPECT_FALSE(JitPolicy(JitStrategy::kStartup).Verify(Finding("on", "default")).ok());
  EXPECT_TRUE(JitPolicy(JitStrategy::kNone).Verify(Finding("on", "default")).ok());
  EXPECT_TRUE(JitPolicy(JitStrategy::kPrefix).wants_prefix(Finding("off", "user")));
}

}  // namespace
}  // namespace sluice::postgres
