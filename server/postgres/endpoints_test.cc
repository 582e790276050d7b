#include "server/postgres/endpoints.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace sluice::postgres {
namespace {

std::string Places(const ConnectionParameters& parameters) {
  const absl::StatusOr<std::vector<Endpoint>> endpoints = Endpoints(parameters);
  if (!endpoints.ok()) return std::string(endpoints.status().message());
  return absl::StrJoin(*endpoints, " ", [](std::string* out, const Endpoint& one) {
    absl::StrAppend(out, one.host, one.hostaddr.empty() ? "" : "=", one.hostaddr, ":", one.port);
  });
}

TEST(EndpointsTest, EachHostHasItsPortOrAllHaveOne) {
  EXPECT_EQ(Places({{"host", "a"}}), "a:5432");
  EXPECT_EQ(Places({{"host", "a,b"}, {"port", "1,2"}}), "a:1 b:2");
  EXPECT_EQ(Places({{"host", "a,b"}, {"port", "1"}}), "a:1 b:1");
  EXPECT_EQ(Places({{"host", "a,b"}, {"port", ",2"}}), "a:5432 b:2");
  EXPECT_EQ(Places({{"host", "a,b,c"}, {"port", "1,2"}}), "2 ports do not go with 3 hosts");
}

TEST(EndpointsTest, AnAddressStandsForTheNameBesideIt) {
  EXPECT_EQ(Places({{"host", "a,b"}, {"hostaddr", "10.0.0.1,"}}), "a=10.0.0.1:5432 b:5432");
  EXPECT_EQ(Places({{"hostaddr", "10.0.0.1,10.0.0.2"}}), "=10.0.0.1:5432 =10.0.0.2:5432");
  EXPECT_EQ(Places({{"host", "a"}, {"hostaddr", "1.1.1.1,2.2.2.2"}}), "1 hosts do not go with 2 hostaddr");
}

TEST(EndpointsTest, WhatIsMissingIsWhatLibpqTakesForIt) {
  EXPECT_EQ(Places({}), "/var/run/postgresql:5432");
  setenv("PGHOST", "db.example", 1);
  setenv("PGPORT", "6543", 1);
  EXPECT_EQ(Places({}), "db.example:6543");
  EXPECT_EQ(Places({{"host", "a"}}), "a:6543");
  unsetenv("PGHOST");
  unsetenv("PGPORT");
}

}  // namespace
}  // namespace sluice::postgres
