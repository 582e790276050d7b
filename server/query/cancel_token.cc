#include "server/query/cancel_token.h"

#include "server/base/errors.h"

namespace sluice::query {

void CancelToken::End(EndedBy who) {
  MutexLock lock(&mu_);
  if (ended_by_ == EndedBy::kNobody) ended_by_ = who;
  if (flying_on_ != nullptr) flying_on_->Interrupt();
  if (who == EndedBy::kGateway && flight_ != nullptr) flight_->Drain();
}

void CancelToken::TakePart(CancelToken* flight) {
  MutexLock lock(&mu_);
  flight_ = flight;
  if (ended_by_ == EndedBy::kGateway && flight != nullptr) flight->Drain();
}

CancelToken::EndedBy CancelToken::ended_by() const {
  MutexLock lock(&mu_);
  return ended_by_;
}

absl::Status CancelToken::WhyEnded(v1::Outcome outcome) const {
  switch (ended_by()) {
    case EndedBy::kGateway: return errors::Draining(outcome);
    case EndedBy::kOperator: return errors::CancelledByOperator(outcome);
    case EndedBy::kCaller:
    case EndedBy::kNobody: break;
  }
  return errors::Cancelled(outcome);
}

bool CancelToken::Board(postgres::Connection* connection) {
  MutexLock lock(&mu_);
  if (ended_by_ != EndedBy::kNobody) return false;
  connection->ClearInterrupt();
  flying_on_ = connection;
  return true;
}

void CancelToken::Leave() {
  MutexLock lock(&mu_);
  flying_on_ = nullptr;
}

}  // namespace sluice::query
