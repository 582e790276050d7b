#ifndef SLUICE_TESTS_CONFORMANCE_ADMIN_FIXTURE_H_
#define SLUICE_TESTS_CONFORMANCE_ADMIN_FIXTURE_H_

#include <httplib.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/conformance/fixture.h"

namespace sluice {

inline client::CallOptions Tagged(const std::string& tag) {
  client::CallOptions options;
  options.tag = tag;
  return options;
}

// A gateway of each test's own, whose admin port it can visit.
class AdminTest : public ConformanceTest {
 protected:
  AdminTest()
      : observed_(postgres_->Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json"}), db_(observed_.Client()) {}

  // Ends the test program if nobody answers.
  static httplib::Result Get(const std::string& address, const std::string& page,
                             const httplib::Headers& headers = {}) {
    httplib::Client browser(absl::StrCat("http://", address));
    httplib::Result answer = browser.Get(page.c_str(), headers);
    if (answer == nullptr) {
      std::fprintf(stderr, "no answer to %s: %s\n", page.c_str(), httplib::to_string(answer.error()).c_str());
      std::abort();
    }
    return answer;
  }
  static httplib::Result Get(const testing_support::Gateway& gateway, const std::string& page,
                             const httplib::Headers& headers = {}) {
    return Get(gateway.AdminAddress(), page, headers);
  }
  static std::string MetricsOf(const testing_support::Gateway& gateway) { return Get(gateway, "/metrics")->body; }
  std::string Metrics() { return MetricsOf(observed_); }
  // Of the series with exactly this name and these labels; -1 if there is none.
  static double MetricIn(const std::string& metrics, const std::string& series) {
    for (const absl::string_view line : absl::StrSplit(metrics, '\n')) {
      double value = 0;
      if (absl::StartsWith(line, series + " ") && absl::SimpleAtod(line.substr(series.size() + 1), &value))
        return value;
    }
    return -1;
  }
  double Metric(const std::string& series) { return MetricIn(Metrics(), series); }

  testing_support::Gateway observed_;
  client::Database db_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_CONFORMANCE_ADMIN_FIXTURE_H_
