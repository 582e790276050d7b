#ifndef SLUICE_TESTS_SUPPORT_BROWSER_H_
#define SLUICE_TESTS_SUPPORT_BROWSER_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace sluice::testing_support {

// A Chromium without a window, driven by WebDriver (chromedriver). Aborts the test program if it does not work.
class Browser {
 public:
  struct Options {
    int width = 1280, height = 1000;
    bool dark = false;
  };
  explicit Browser(const Options& options);
  Browser() : Browser(Options()) {}
  ~Browser();

  void Open(const std::string& url);
  // What the body of a function gives back, in the page.
  nlohmann::json Run(const std::string& function_body);
  // The text of what a selector finds first; "" if it finds nothing.
  std::string TextOf(const std::string& selector);
  void Click(const std::string& selector);
  // What the page's console has said since it was last asked for: a line for each.
  std::string Console();
  // A PNG file of what is to be seen.
  std::string Screenshot();

 private:
  nlohmann::json Call(const std::string& method, const std::string& path, const nlohmann::json& body);

  TempDir directory_;
  std::unique_ptr<Process> driver_;
  std::string address_;
  std::string session_;
};

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_BROWSER_H_
