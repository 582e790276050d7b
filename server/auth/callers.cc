#include "server/auth/callers.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/file.h"
#include "server/base/status_macros.h"

namespace sluice::auth {
namespace {

using Json = nlohmann::json;

absl::Status Problem(absl::string_view where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

// A string, or a list of strings; empty if the key is absent.
absl::StatusOr<std::vector<std::string>> Strings(const Json& object, const char* key, absl::string_view where) {
  std::vector<std::string> strings;
  auto found = object.find(key);
  if (found == object.end()) return strings;
  const Json list = found->is_array() ? *found : Json::array({*found});
  for (const Json& item : list) {
    if (!item.is_string()) return Problem(where, absl::StrCat(key, " must be a string or a list of strings"));
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

absl::Status Grant(const std::string& permission, absl::string_view where, Permissions* may) {
  const std::pair<const char*, bool*> known[] = {
      {"sql", &may->sql},       {"read_only", &may->read_only},     {"copy", &may->copy},
      {"listen", &may->listen}, {"impersonate", &may->impersonate}, {"group_commit", &may->group_commit},
      {"admin", &may->admin}};
  for (const auto& [name, granted] : known) {
    if (permission != name) continue;
    *granted = true;
    return absl::OkStatus();
  }
  return Problem(where, absl::StrCat("no permission is called ", permission,
                                     "; there are sql, read_only, copy, listen, impersonate, group_commit and admin"));
}

// Of JSON's objects the last of two equal keys counts, and nobody sees it.
std::optional<std::string> DoubledKey(absl::string_view text) {
  std::vector<std::set<std::string>> keys(1);
  std::optional<std::string> doubled;
  const auto follow = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      doubled = parsed.get<std::string>();
    }
    return true;
  };
  const Json json = Json::parse(text.begin(), text.end(), follow, /*allow_exceptions=*/false);
  return json.is_discarded() ? std::nullopt : doubled;
}

constexpr char kForm[] = "must be JSON of the form {\"callers\": [...]}";

absl::StatusOr<Json> ParseJson(absl::string_view text) {
  std::istringstream stream{std::string(text)};
  Json json = Json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!json.is_discarded()) return json;
  const auto read = std::max<std::streamoff>(stream.rdbuf()->pubseekoff(0, std::ios::cur, std::ios::in), 0);
  const auto line = 1 + std::count(text.begin(), text.begin() + read, '\n');
  return absl::InvalidArgumentError(absl::StrCat(kForm, ", and is none from line ", line, " on"));
}

absl::StatusOr<KnownCaller> ParseCaller(const Json& json, size_t index) {
  std::string where = absl::StrCat("callers[", index, "]");
  if (!json.is_object()) return Problem(where, "must be an object");
  static const auto& keys = *new std::set<std::string>{"name", "token_sha256", "certificate_san", "permissions"};
  for (const auto& item : json.items()) {
    if (keys.count(item.key()) == 0) return Problem(where, absl::StrCat("no field is called ", item.key()));
  }
  auto name = json.find("name");
  if (name == json.end() || !name->is_string() || name->get<std::string>().empty()) {
    return Problem(where, "name is missing");
  }
  KnownCaller known;
  known.caller.name = name->get<std::string>();
  where = absl::StrCat("caller ", known.caller.name);

  ASSIGN_OR_RETURN(const std::vector<std::string> hashes, Strings(json, "token_sha256", where));
  for (const std::string& hash : hashes) {
    if (hash.size() != 64 || !std::all_of(hash.begin(), hash.end(), absl::ascii_isxdigit)) {
      return Problem(where, "token_sha256 must be 64 hex digits (printf %s \"$TOKEN\" | sha256sum)");
    }
    // What sha256sum says when the variable with the token is not set.
    constexpr char kOfNothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    if (absl::EqualsIgnoreCase(hash, kOfNothing)) return Problem(where, "token_sha256 is that of an empty token");
    const std::string bytes = absl::HexStringToBytes(hash);
    std::copy(bytes.begin(), bytes.end(), known.token_hashes.emplace_back().begin());
  }
  ASSIGN_OR_RETURN(known.certificate_sans, Strings(json, "certificate_san", where));
  for (const std::string& san : known.certificate_sans) {
    if (san.empty()) return Problem(where, "a certificate_san is empty");
  }
  if (known.token_hashes.empty() && known.certificate_sans.empty()) {
    return Problem(where, "needs token_sha256 or certificate_san");
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> permissions, Strings(json, "permissions", where));
  if (permissions.empty()) return Problem(where, "permissions is missing or empty");
  for (const std::string& permission : permissions) RETURN_IF_ERROR(Grant(permission, where, &known.caller.may));
  const Permissions& may = known.caller.may;
  if (may.group_commit && !may.sql) return Problem(where, "group_commit is of no use without sql");
  if (may.impersonate && !may.sql && !may.read_only) return Problem(where, "impersonate needs sql or read_only");
  return known;
}

}  // namespace

absl::StatusOr<std::vector<KnownCaller>> ParseCallers(absl::string_view text) {
  if (std::optional<std::string> key = DoubledKey(text)) {
    return Problem("the file", absl::StrCat(*key, " is there twice in one object"));
  }
  ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  if (!json.is_object() || json.size() != 1 || json.find("callers") == json.end() || !json["callers"].is_array()) {
    return absl::InvalidArgumentError(kForm);
  }
  std::vector<KnownCaller> callers;
  std::set<std::string> names;
  std::set<std::array<unsigned char, 32>> hashes;
  std::set<std::string> sans;
  for (const Json& item : json["callers"]) {
    ASSIGN_OR_RETURN(KnownCaller caller, ParseCaller(item, callers.size()));
    if (!names.insert(caller.caller.name).second) {
      return Problem(absl::StrCat("caller ", caller.caller.name), "is there twice");
    }
    for (const auto& hash : caller.token_hashes) {
      if (!hashes.insert(hash).second) {
        return Problem(absl::StrCat("caller ", caller.caller.name), "has a token that another one has");
      }
    }
    for (const std::string& san : caller.certificate_sans) {
      if (!sans.insert(san).second) {
        return Problem(absl::StrCat("caller ", caller.caller.name), "has a certificate_san that another one has");
      }
    }
    callers.push_back(std::move(caller));
  }
  if (callers.empty()) return absl::InvalidArgumentError("callers is empty: nobody could call");
  return callers;
}

absl::StatusOr<std::vector<KnownCaller>> LoadCallers(const std::string& path) {
  // A pipe would be waited for, by the thread that waits for signals; and has nothing to be read again.
  struct stat facts = {};
  if (stat(path.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is no regular file"));
  }
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  absl::StatusOr<std::vector<KnownCaller>> callers = ParseCallers(text);
  if (!callers.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ": ", callers.status().message()));
  return callers;
}

}  // namespace sluice::auth
