#include "server/config/reload.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sluice::config {
namespace {

// Of Supavisor's users, which are user.project: a pooler of many has a database for each. Empty for others.
std::string TenantOf(const DatabaseUrl& url) {
  const auto user = url.parameters.find("user");
  const size_t dot = user == url.parameters.end() ? std::string::npos : user->second.rfind('.');
  return dot == std::string::npos ? "" : user->second.substr(dot);
}

// The place that a URL names, and which of its databases. Whoever has another place has another start: what was learned
// of the old one (its types) may not hold there, and nobody can tell.
bool NameTheSamePlace(const std::string& a, const std::string& b) {
  const absl::StatusOr<DatabaseUrl> url_a = ParseDatabaseUrl(a), url_b = ParseDatabaseUrl(b);
  if (!url_a.ok() || !url_b.ok()) return false;
  const std::string tenant_a = TenantOf(*url_a), tenant_b = TenantOf(*url_b);
  if (!tenant_a.empty() && !tenant_b.empty() && tenant_a != tenant_b) return false;
  for (const char* name : {"host", "hostaddr", "port", "dbname", "target_session_attrs"}) {
    const auto in_a = url_a->parameters.find(name), in_b = url_b->parameters.find(name);
    const std::string of_a = in_a == url_a->parameters.end() ? "" : in_a->second;
    const std::string of_b = in_b == url_b->parameters.end() ? "" : in_b->second;
    if (of_a != of_b) return false;
  }
  return true;
}

// Why a live setting waits all the same; empty if it does not.
std::string WhyNotNow(const std::string& name, const std::string& old_text, const std::string& new_text) {
  const bool is_switch = name == "tls_cert" || name == "tls_key" || name == "tls_client_ca" || name == "callers_file" ||
                         name == "listen_url";
  if (is_switch && old_text.empty() != new_text.empty()) return "to switch it on or off";
  const bool is_url = name == "database_url" || name == "test_database_url" || name == "listen_url";
  if (is_url && !NameTheSamePlace(old_text, new_text)) return "another host, port, database or tenant";
  return "";
}

}  // namespace

std::vector<std::array<std::string, 3>> ShownSettings(const RawSettings& raw) {
  std::vector<std::array<std::string, 3>> shown;
  for (const Setting& setting : Settings()) {
    const RawSettings::Value& value = raw.values.at(setting.name);
    std::string text = value.text;
    // Whatever looks like a URL, too: a password may stand in a place where it should not.
    if (absl::EndsWith(setting.name, "_url") || absl::StrContains(text, "://")) {
      const absl::StatusOr<DatabaseUrl> url = ParseDatabaseUrl(text);
      text = url.ok() ? url->Display() : text.empty() ? "" : "(not shown)";
    }
    shown.push_back({setting.name, std::move(text), value.source});
  }
  return shown;
}

std::optional<Reload> MakeReload(const RawSettings& running, const RawSettings& wanted,
                                 std::vector<std::string>* problems) {
  if (!MakeConfig(wanted, problems).has_value()) return std::nullopt;
  Reload reload;
  reload.raw = running;
  for (const Setting& setting : Settings()) {
    const std::string name = setting.name;
    const RawSettings::Value& old_value = running.values.at(name);
    const RawSettings::Value& new_value = wanted.values.at(name);
    if (old_value.text == new_value.text) continue;
    reload.changed.push_back(name);
    const std::string why_not = WhyNotNow(name, old_value.text, new_value.text);
    if (setting.live && why_not.empty()) {
      reload.raw.values[name] = new_value;
    } else {
      reload.waiting.push_back(why_not.empty() ? name : absl::StrCat(name, " (", why_not, ")"));
    }
  }
  std::optional<Config> config = MakeConfig(reload.raw, problems);
  if (!config.has_value()) return std::nullopt;
  reload.config = *std::move(config);
  return reload;
}

}  // namespace sluice::config
