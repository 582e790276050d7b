#ifndef SLUICE_SERVER_ADMIN_DOCTOR_H_
#define SLUICE_SERVER_ADMIN_DOCTOR_H_

#include <functional>
#include <string>

#include "server/config/database_url.h"

namespace sluice::admin {

enum class Verdict { kGood, kNote, kBad };

// One line of a diagnosis.
struct Finding {
  Verdict verdict = Verdict::kGood;
  std::string tried;   // "connect to db.example.com:6543"
  std::string seen;    // "41 ms"
  std::string advice;  // empty if there is nothing to do
};

// Examines a database as somebody would who has to find out why it can not be used:
// resolves, connects, logs in, finds out what is on the other side (a pooler, in which
// mode), the version, JIT and where it is set, the hazard of prepared statements,
// connection limits and the round trip. Reports each finding as it is made. Opens up to
// three connections at once and leaves nothing behind. Returns whether the database can
// be used.
bool Examine(const config::DatabaseUrl& url, const std::function<void(const Finding&)>& report);

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_DOCTOR_H_
