#ifndef SLUICE_SERVER_CONFIG_RELOAD_H_
#define SLUICE_SERVER_CONFIG_RELOAD_H_

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "server/config/config.h"
#include "server/config/settings.h"

namespace sluice::config {

// What a gateway that runs makes of settings that were gathered anew.
struct Reload {
  // What it has from now on: of what is new, all that can be had without another start.
  RawSettings raw;
  Config config;
  // Names of settings: those with another text, and those among them that wait for the next start, with why in
  // brackets where their name does not tell.
  std::vector<std::string> changed;
  std::vector<std::string> waiting;
};

// Nullopt, and all problems, if the new settings would not do for a start, or do not go together with those that stay.
std::optional<Reload> MakeReload(const RawSettings& running, const RawSettings& wanted,
                                 std::vector<std::string>* problems);

// What is in force, for people: URLs without passwords and options. Name, text and source.
std::vector<std::array<std::string, 3>> ShownSettings(const RawSettings& raw);

}  // namespace sluice::config

#endif  // SLUICE_SERVER_CONFIG_RELOAD_H_
