#ifndef SLUICE_SERVER_ADMIN_ADVICE_H_
#define SLUICE_SERVER_ADMIN_ADVICE_H_

#include "absl/strings/string_view.h"
#include "server/postgres/connection.h"

namespace sluice::admin {

// What to do about a session that could not be opened.
absl::string_view AdviceFor(const postgres::Connection::OpenFailure& failure);

// What to do about a TCP connection that could not be made, by the system's words for it.
absl::string_view AdviceForUnreachable(absl::string_view why);

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_ADVICE_H_
