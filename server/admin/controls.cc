#include "server/admin/controls.h"

#include "server/base/errors.h"
#include "server/base/status_macros.h"

namespace sluice::admin {

absl::Status CheckOperator(const Controls& controls, const auth::Credentials& credentials) {
  if (controls.authenticator == nullptr) return errors::OperatorsOnly();
  ASSIGN_OR_RETURN(const auth::Caller caller, controls.authenticator->Identify(credentials));
  return caller.may.admin ? absl::OkStatus() : errors::OperatorsOnly();
}

}  // namespace sluice::admin
