#include "server/postgres/endpoints.h"

#include <libpq-fe.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace sluice::postgres {
namespace {

// Debian's libpq was built with it; there is no way to ask.
constexpr char kSocketDirectory[] = "/var/run/postgresql";

std::string DefaultOf(absl::string_view keyword) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconndefaults(), &PQconninfoFree);
  if (options == nullptr) return "";
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (keyword == option->keyword) return option->val == nullptr ? "" : option->val;
  }
  return "";
}

// Empty if there is nothing in it.
std::vector<std::string> List(const ConnectionParameters& parameters, const std::string& keyword) {
  const auto found = parameters.find(keyword);
  const std::string text = found == parameters.end() || found->second.empty() ? DefaultOf(keyword) : found->second;
  if (text.empty()) return {};
  return absl::StrSplit(text, ',');
}

}  // namespace

absl::StatusOr<std::vector<Endpoint>> Endpoints(const ConnectionParameters& parameters) {
  const std::vector<std::string> hosts = List(parameters, "host"), addresses = List(parameters, "hostaddr"),
                                 ports = List(parameters, "port");
  const size_t count = !addresses.empty() ? addresses.size() : hosts.empty() ? 1 : hosts.size();
  if (!hosts.empty() && hosts.size() != count) {
    return absl::InvalidArgumentError(absl::StrCat(hosts.size(), " hosts do not go with ", count, " hostaddr"));
  }
  if (ports.size() > 1 && ports.size() != count) {
    return absl::InvalidArgumentError(absl::StrCat(ports.size(), " ports do not go with ", count, " hosts"));
  }
  std::vector<Endpoint> endpoints(count);
  for (size_t i = 0; i < count; ++i) {
    Endpoint& endpoint = endpoints[i];
    if (!addresses.empty()) endpoint.hostaddr = addresses[i];
    if (!hosts.empty()) endpoint.host = hosts[i];
    if (endpoint.host.empty() && endpoint.hostaddr.empty()) endpoint.host = kSocketDirectory;
    if (!ports.empty()) endpoint.port = ports[ports.size() == 1 ? 0 : i];
    if (endpoint.port.empty()) endpoint.port = "5432";
  }
  return endpoints;
}

}  // namespace sluice::postgres
