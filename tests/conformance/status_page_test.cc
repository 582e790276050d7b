// The status page, in a real browser.

#include <httplib.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"
#include "tests/support/browser.h"

namespace sluice {
namespace {

using testing_support::Browser;
using testing_support::Eventually;
using testing_support::Gateway;

class StatusPageTest : public ConformanceTest {
 protected:
  std::string Page() const { return absl::StrCat("http://", observed_.AdminAddress(), "/"); }
  bool Shows(Browser* browser, const std::string& selector, const std::string& text) {
    return Eventually([&] { return absl::StrContains(browser->TextOf(selector), text); });
  }
  std::future<std::string> Sleeper(const std::string& tag) {
    return std::async(std::launch::async, [this, tag] {
      client::CallOptions options;
      options.tag = tag;
      return Reason(db_.Execute(client::Statement("SELECT pg_sleep(60)"), options));
    });
  }

  Gateway observed_{pgbouncer_->Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json", "--pool_size=5"}};
  client::Database db_ = observed_.Client();
};

TEST_F(StatusPageTest, ShowsWhatIsAndGoesOnByItself) {
  Browser browser;
  browser.Open(Page());
  EXPECT_TRUE(Shows(&browser, "#live", "live"));
  EXPECT_TRUE(Shows(&browser, "#state", "ready"));
  EXPECT_TRUE(Shows(&browser, "#findings", "behind a pooler")) << browser.TextOf("#findings");
  EXPECT_TRUE(Shows(&browser, "#findings", "JIT is kept off by "));
  EXPECT_TRUE(Shows(&browser, "#connections", "of 5 connections open"));
  EXPECT_TRUE(Shows(&browser, "#calls", "no calls in progress"));
  // Without being loaded again.
  ASSERT_TRUE(db_.Execute("SELECT 4711 AS seen").ok());
  ASSERT_FALSE(db_.Execute("SELECT 1 / 0").ok());
  EXPECT_TRUE(Shows(&browser, "#statements", "select ? as seen")) << browser.TextOf("#statements");
  EXPECT_TRUE(Shows(&browser, "#errors", "DIVISION_BY_ZERO"));
  EXPECT_EQ(browser.Console(), "");
}

TEST_F(StatusPageTest, ACallIsCancelledByItsButton) {
  std::future<std::string> end = Sleeper("report.yearly");
  Browser browser;
  browser.Open(Page());
  ASSERT_TRUE(Shows(&browser, "#calls", "report.yearly")) << browser.TextOf("#calls");
  EXPECT_TRUE(Shows(&browser, "#calls", "select pg_sleep(?)"));
  browser.Click("#calls button");
  EXPECT_EQ(end.get(), "CANCELLED_BY_OPERATOR");
  EXPECT_TRUE(Shows(&browser, "#calls", "no calls in progress"));
  EXPECT_TRUE(Shows(&browser, "#errors", "CANCELLED_BY_OPERATOR"));
}

TEST_F(StatusPageTest, WhatCallersSendIsTextAndNeverMarkup) {
  // A name in double quotes stays in a statement's shape.
  std::future<std::string> end = std::async(std::launch::async, [this] {
    return Reason(db_.Execute("SELECT pg_sleep(60) AS \"<img src=x onerror=document.title=1>\""));
  });
  Browser browser;
  browser.Open(Page());
  ASSERT_TRUE(Shows(&browser, "#calls", "onerror")) << browser.TextOf("#calls");
  EXPECT_EQ(browser.Run("return document.querySelectorAll('main img').length"), 0);
  EXPECT_NE(browser.Run("return document.title"), "1");
  browser.Click("#calls button");
  EXPECT_EQ(end.get(), "CANCELLED_BY_OPERATOR");
}

TEST_F(StatusPageTest, MasksSecretsInTheConfiguration) {
  Browser browser;
  const Gateway with_password(
      "postgresql://postgres:pa55word@/postgres?host=" + pgbouncer_->Url().substr(pgbouncer_->Url().find("host=") + 5),
      {"--admin_listen=127.0.0.1:0", "--log_format=json"});
  browser.Open(absl::StrCat("http://", with_password.AdminAddress(), "/"));
  EXPECT_TRUE(Shows(&browser, "#live", "live"));
  browser.Click("summary");
  EXPECT_TRUE(Shows(&browser, "#settings", "database_url"));
  EXPECT_TRUE(Shows(&browser, "#settings", "DATABASE_URL"));
  EXPECT_FALSE(
      absl::StrContains(browser.Run("return document.documentElement.innerHTML").get<std::string>(), "pa55word"));
}

TEST_F(StatusPageTest, SaysWhenNobodyAnswersAnyMore) {
  Browser browser;
  browser.Open(Page());
  EXPECT_TRUE(Shows(&browser, "#live", "live"));
  observed_.Drain();
  EXPECT_TRUE(Shows(&browser, "#live", "no answer"));
  EXPECT_EQ(browser.Run("return document.body.className"), "stale");
}

TEST_F(StatusPageTest, MoreViewersThanItHasThreadsForAskInstead) {
  std::atomic<bool> leave{false};
  std::atomic<int> watching{0};
  std::vector<std::thread> viewers;
  for (int i = 0; i < 4; ++i) {
    viewers.emplace_back([&] {
      httplib::Client viewer(absl::StrCat("http://", observed_.AdminAddress()));
      bool counted = false;
      viewer.Get("/events", [&](const char*, size_t) {
        if (!std::exchange(counted, true)) ++watching;
        return !leave;
      });
    });
  }
  EXPECT_TRUE(Eventually([&] { return watching == 4; }));
  Browser browser;
  browser.Open(Page());
  EXPECT_TRUE(Shows(&browser, "#live", "asked every 2 s"));
  EXPECT_TRUE(Shows(&browser, "#state", "ready"));
  // Probes and metrics have threads of their own.
  httplib::Client probe(absl::StrCat("http://", observed_.AdminAddress()));
  EXPECT_EQ(probe.Get("/livez")->status, 200);
  // Those that leave make room.
  leave = true;
  for (std::thread& viewer : viewers) viewer.join();
  EXPECT_TRUE(Shows(&browser, "#live", "live"));
}

TEST_F(StatusPageTest, FitsSmallScreensAndDarkRooms) {
  Browser::Options phone;
  phone.width = 420;
  phone.dark = true;
  Browser browser(phone);
  browser.Open(Page());
  EXPECT_TRUE(Shows(&browser, "#live", "live"));
  EXPECT_EQ(browser.Run("return getComputedStyle(document.body).backgroundColor"), "rgb(15, 20, 26)");
  EXPECT_LE(browser.Run("return document.documentElement.scrollWidth").get<int>(),
            browser.Run("return innerWidth").get<int>());
}

}  // namespace
}  // namespace sluice
