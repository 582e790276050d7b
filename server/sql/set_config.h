#ifndef SLUICE_SERVER_SQL_SET_CONFIG_H_
#define SLUICE_SERVER_SQL_SET_CONFIG_H_

#include "absl/strings/string_view.h"
#include "server/sql/lexer.h"

namespace sluice::sql {

// Follows the calls of set_config in a statement, token by token: one whose third argument is
// anything but the word true sets something for the session.
class SetConfigCalls {
 public:
  // `is_name`: the token is set_config itself.
  void Add(absl::string_view text, const Token& token, bool is_name);

  bool has_lasting() const { return has_lasting_ || open_; }

 private:
  void Begin();
  bool IsLocal() const;

  bool has_lasting_ = false;
  // Of the call that is being read.
  bool open_ = false;
  int depth_ = 0;
  int commas_ = 0;
  // Tokens of the argument that is being read: `true` alone, or `is_local => true`.
  int tokens_ = 0;
  bool true_last_ = false;
  bool named_ = false;
};

}  // namespace sluice::sql

#endif  // SLUICE_SERVER_SQL_SET_CONFIG_H_
