#include "server/query/cancel_token.h"

namespace sluice::query {

void CancelToken::End(bool draining) {
  MutexLock lock(&mu_);
  if (!cancelled_) draining_ = draining;
  cancelled_ = true;
  if (flying_on_ != nullptr) flying_on_->Interrupt();
  if (draining && flight_ != nullptr) flight_->Drain();
}

void CancelToken::TakePart(CancelToken* flight) {
  MutexLock lock(&mu_);
  flight_ = flight;
  if (draining_ && flight != nullptr) flight->Drain();
}

bool CancelToken::draining() const {
  MutexLock lock(&mu_);
  return draining_;
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
