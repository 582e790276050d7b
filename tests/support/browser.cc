#include "tests/support/browser.h"

#include <httplib.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice::testing_support {
namespace {

using Json = nlohmann::json;

// WebDriver's name for a reference to an element.
constexpr char kElement[] = "element-6066-11e4-a52e-4f735466cecf";

Json Capabilities(const Browser::Options& options, const std::string& profile) {
  Json arguments = {"--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    "--hide-scrollbars",
                    "--user-data-dir=" + profile,
                    absl::StrCat("--window-size=", options.width, ",", options.height)};
  if (options.dark) arguments.push_back("--blink-settings=preferredColorScheme=0");
  return {{"capabilities",
           {{"alwaysMatch",
             {{"browserName", "chrome"},
              {"goog:loggingPrefs", {{"browser", "ALL"}}},
              {"goog:chromeOptions", {{"args", arguments}, {"binary", "/usr/bin/chromium"}}}}}}}};
}

}  // namespace

Browser::Browser(const Options& options) {
  Process::Options driver;
  driver.command = {"/usr/bin/chromedriver", "--port=0"};
  driver.output_path = directory_.File("driver.log");
  driver_ = std::make_unique<Process>(driver);
  constexpr char kStarted[] = "started successfully on port ";
  std::string port;
  const bool started = Eventually([&] {
    const std::vector<std::string> parts = absl::StrSplit(ReadFile(driver.output_path), kStarted);
    if (parts.size() == 2) port = parts[1].substr(0, parts[1].find('.'));
    return !port.empty();
  });
  if (!started) {
    std::fprintf(stderr, "chromedriver does not start:\n%s\n", ReadFile(driver.output_path).c_str());
    std::abort();
  }
  address_ = "http://127.0.0.1:" + port;
  session_ =
      "/session/" +
      Call("POST", "/session", Capabilities(options, directory_.File("profile")))["sessionId"].get<std::string>();
}

Browser::~Browser() { Call("DELETE", session_, Json()); }

void Browser::Open(const std::string& url) { Call("POST", session_ + "/url", {{"url", url}}); }

Json Browser::Run(const std::string& function_body) {
  return Call("POST", session_ + "/execute/sync", {{"script", function_body}, {"args", Json::array()}});
}

std::string Browser::TextOf(const std::string& selector) {
  const Json text = Run(absl::StrCat("const found = document.querySelector(", Json(selector).dump(),
                                     "); return found && found.innerText;"));
  return text.is_string() ? text.get<std::string>() : "";
}

void Browser::Click(const std::string& selector) {
  const Json element = Call("POST", session_ + "/element", {{"using", "css selector"}, {"value", selector}});
  Call("POST", absl::StrCat(session_, "/element/", element[kElement].get<std::string>(), "/click"), Json::object());
}

std::string Browser::Console() {
  std::string lines;
  for (const Json& entry : Call("POST", session_ + "/se/log", {{"type", "browser"}})) {
    absl::StrAppend(&lines, entry["level"].get<std::string>(), ": ", entry["message"].get<std::string>(), "\n");
  }
  return lines;
}

std::string Browser::Screenshot() {
  std::string png;
  absl::Base64Unescape(Call("GET", session_ + "/screenshot", Json()).get<std::string>(), &png);
  return png;
}

Json Browser::Call(const std::string& method, const std::string& path, const Json& body) {
  httplib::Client client(address_);
  client.set_read_timeout(60);
  httplib::Request request;
  request.method = method;
  request.path = path;
  if (!body.is_null()) {
    request.body = body.dump();
    request.headers.emplace("Content-Type", "application/json");
  }
  const httplib::Result answer = client.send(request);
  if (answer && answer->status == 200) return Json::parse(answer->body)["value"];
  std::fprintf(stderr, "WebDriver %s %s: %s\n%s\n", method.c_str(), path.c_str(),
               answer ? answer->body.c_str() : httplib::to_string(answer.error()).c_str(),
               ReadFile(directory_.File("driver.log")).c_str());
  std::abort();
}

}  // namespace sluice::testing_support
