#ifndef SLUICE_SERVER_ADMIN_SETUP_H_
#define SLUICE_SERVER_ADMIN_SETUP_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/config/database_url.h"

namespace sluice::admin {

// What SetUp runs, as a script.
std::string SetupScript(absl::string_view role);

// Makes the table that calls with a request_id need (server/query/ledger.h), in one transaction; where it is there
// already, nothing changes. `role`: whom it is for, if the gateway logs in as somebody else; may be empty. Returns
// whether it was made now. Errors are in PostgreSQL's own words, with what to do.
absl::StatusOr<bool> SetUp(const config::DatabaseUrl& url, absl::string_view role);

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_SETUP_H_
