#include <openssl/sha.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/auth/authenticator.h"
#include "server/auth/callers.h"
#include "server/base/error.h"

namespace sluice::auth {
namespace {

std::string HashOf(const std::string& token) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), hash);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(hash), sizeof(hash)));
}

std::vector<KnownCaller> TwoCallers() {
  absl::StatusOr<std::vector<KnownCaller>> callers = ParseCallers(
      absl::StrCat(R"({"callers": [{"name": "checkout", "token_sha256": [")", HashOf("old"), R"(", ")", HashOf("new"),
                   R"("], "permissions": ["sql", "copy"]},
        {"name": "report", "certificate_san": "spiffe://prod/report", "permissions": ["read_only"]}]})"));
  EXPECT_TRUE(callers.ok()) << callers.status();
  return callers.ok() ? *callers : std::vector<KnownCaller>();
}

Credentials WithHeader(const std::string& header) {
  Credentials credentials;
  credentials.authorization = header;
  return credentials;
}

TEST(AuthenticatorTest, KnowsACallerByEitherOfItsTokens) {
  const Authenticator authenticator(TwoCallers());
  for (const char* token : {"Bearer old", "bearer new", "BEARER old"}) {
    absl::StatusOr<Caller> caller = authenticator.Identify(WithHeader(token));
    ASSERT_TRUE(caller.ok()) << caller.status();
    EXPECT_EQ(caller->name, "checkout");
    EXPECT_TRUE(caller->may.sql);
    EXPECT_FALSE(caller->may.admin);
  }
}

TEST(AuthenticatorTest, KnowsACallerByItsCertificate) {
  const Authenticator authenticator(TwoCallers());
  Credentials credentials;
  credentials.certificate_sans = {"localhost", "spiffe://prod/report"};
  EXPECT_EQ(authenticator.Identify(credentials)->name, "report");
  credentials.certificate_sans = {"localhost"};
  EXPECT_EQ(ReasonOf(authenticator.Identify(credentials).status()), "TOKEN_INVALID");
}

TEST(AuthenticatorTest, RefusesEverybodyElse) {
  const Authenticator authenticator(TwoCallers());
  EXPECT_EQ(ReasonOf(authenticator.Identify(Credentials()).status()), "TOKEN_MISSING");
  for (const char* header : {"Bearer other", "Bearer ", "", "Basic old", "old"}) {
    EXPECT_EQ(ReasonOf(authenticator.Identify(WithHeader(header)).status()), "TOKEN_INVALID") << header;
  }
}

TEST(AuthenticatorTest, WithoutCallersEverybodyIsAnonymous) {
  EXPECT_EQ(Authenticator().Identify(Credentials())->name, "anonymous");
}

TEST(AuthenticatorTest, ReplacedCallersHoldFromTheNextCallOn) {
  Authenticator authenticator(TwoCallers());
  authenticator.Replace({TwoCallers()[1]});
  EXPECT_FALSE(authenticator.Identify(WithHeader("Bearer old")).ok());
}

TEST(CallersFileTest, SaysWhatIsWrongWithoutQuotingAHash) {
  const std::string hash = HashOf("x");
  const std::pair<std::string, std::string> cases[] = {
      {"", "must be JSON"},
      {"{}", "must be JSON"},
      {R"({"callers": []})", "nobody could call"},
      {R"({"callers": [{"permissions": ["sql"]}]})", "name is missing"},
      {R"({"callers": [{"name": "a", "permissions": ["sql"]}]})", "caller a: needs token_sha256"},
      {R"({"callers": [{"name": "a", "token_sha256": "abc", "permissions": ["sql"]}]})", "64 hex digits"},
      {absl::StrCat(R"({"callers": [{"name": "a", "token_sha256": ")", hash, R"("}]})"), "permissions is missing"},
      {absl::StrCat(R"({"callers": [{"name": "a", "token_sha256": ")", hash, R"(", "permissions": ["root"]}]})"),
       "no permission is called root"},
      {absl::StrCat(R"({"callers": [{"name": "a", "token": ")", hash, R"(", "permissions": ["sql"]}]})"),
       "no field is called token"},
      {R"({"callers": [{"name": "a", "certificate_san": "s", "permissions": ["sql"]},
                       {"name": "a", "certificate_san": "t", "permissions": ["sql"]}]})",
       "is there twice"},
      {R"({"callers": [{"name": "a", "certificate_san": "", "permissions": ["sql"]}]})", "certificate_san is empty"},
      {R"({"callers": [{"name": "a", "certificate_san": "s", "permissions": ["group_commit"]}]})", "without sql"},
      {R"({"callers": [{"name": "a", "certificate_san": "s", "permissions": ["impersonate"]}]})", "sql or read_only"},
      // Of the empty token, which whoever forgot its own would send.
      {R"({"callers": [{"name": "a", "permissions": ["sql"], "token_sha256":
           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]})",
       "empty"},
      {absl::StrCat(R"({"callers": [{"name": "a", "token_sha256": ")", hash, R"(", "permissions": ["sql"]},
                       {"name": "b", "token_sha256": ")",
                    hash, R"(", "permissions": ["read_only"]}]})"),
       "has a token that another one has"},
      {R"({"callers": [{"name": "a", "certificate_san": "s", "permissions": ["sql"]},
                       {"name": "b", "certificate_san": ["t", "s"], "permissions": ["read_only"]}]})",
       "has a certificate_san that another one has"},
      {R"({"callers": [{"name": "a", "certificate_san": "s", "permissions": ["read_only"], "permissions": ["sql"]}]})",
       "twice"},
  };
  for (const auto& [json, message] : cases) {
    absl::Status status = ParseCallers(json).status();
    EXPECT_TRUE(absl::StrContains(status.message(), message)) << json << "\n" << status;
    EXPECT_FALSE(absl::StrContains(status.message(), hash));
  }
}

TEST(CallersTest, AreReadFromARegularFileOnly) {
  EXPECT_EQ(LoadCallers("/").status().message(), "/ is no regular file");
}

}  // namespace
}  // namespace sluice::auth
