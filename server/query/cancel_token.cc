#include "server/query/cancel_token.h"

namespace sluice::query {

void CancelToken::Cancel() {
  MutexLock lock(&mu_);
  cancelled_ = true;
  if (flying_on_ != nullptr) flying_on_->Interrupt();
}

bool CancelToken::cancelled() const {
  MutexLock lock(&mu_);
  return cancelled_;
}

bool CancelToken::Board(postgres::Connection* connection) {
  MutexLock lock(&mu_);
  if (cancelled_) return false;
  connection->ClearInterrupt();
  flying_on_ = connection;
  return true;
}

void CancelToken::Leave() {
  MutexLock lock(&mu_);
  flying_on_ = nullptr;
}

}  // namespace sluice::query
