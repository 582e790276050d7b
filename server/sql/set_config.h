#ifndef SLUICE_SERVER_SQL_SET_CONFIG_H_
#define SLUICE_SERVER_SQL_SET_CONFIG_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "server/sql/lexer.h"

namespace sluice::sql {

// Follows the calls of set_config in a statement, token by token. One whose third argument is
// anything but `true`, or `is_local => true`, sets something for the session; one whose first
// argument is the name of a setting of the gateway's own would change what it relies on.
class SetConfigCalls {
 public:
  // `is_name`: the token is set_config itself.
  void Add(absl::string_view text, const Token& token, bool is_name);

  bool has_lasting() const { return has_lasting_ || open_; }
  // The first setting of the gateway's own.
  const std::optional<std::string>& gateways_setting() const { return gateways_setting_; }

 private:
  void Begin();
  void AddArgument(absl::string_view text, const Token& token);

  bool has_lasting_ = false;
  std::optional<std::string> gateways_setting_;
  // Of the call that is being read.
  bool open_ = false;
  int depth_ = 0;
  int commas_ = 0;
  // The tokens of the argument that is being read, without spaces: "true", "is_local=>true".
  std::string argument_;
};

}  // namespace sluice::sql

#endif  // SLUICE_SERVER_SQL_SET_CONFIG_H_
