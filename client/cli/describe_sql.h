#ifndef SLUICE_CLIENT_CLI_DESCRIBE_SQL_H_
#define SLUICE_CLIENT_CLI_DESCRIBE_SQL_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cpp/database.h"

namespace sluice::cli {

// What the shell asks PostgreSQL's catalog for \d, \dt, \dn, \df and \du; empty for any other command. `argument` is a
// name as in a statement, or a part of one.
std::vector<client::Statement> DescribingStatements(absl::string_view command, const std::string& argument);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_DESCRIBE_SQL_H_
