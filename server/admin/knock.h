#ifndef SLUICE_SERVER_ADMIN_KNOCK_H_
#define SLUICE_SERVER_ADMIN_KNOCK_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/postgres/address.h"

namespace sluice::admin {

// What is behind an address.
enum class Answer {
  kSilence,   // it takes connections and says nothing at all
  kNothing,   // it says nothing that PostgreSQL would say
  kPlain,     // PostgreSQL, or a pooler, that offers no TLS
  kOffersTls  // one that does
};

// Connects, and asks for TLS as PostgreSQL's clients do before they log in. UNAVAILABLE, with
// the system's words, if no connection comes about until `deadline`.
absl::StatusOr<Answer> Knock(const postgres::Address& address, absl::Time deadline);

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_KNOCK_H_
