#ifndef SLUICE_SERVER_QUERY_CANCEL_TOKEN_H_
#define SLUICE_SERVER_QUERY_CANCEL_TOKEN_H_

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/base/mutex.h"
#include "server/postgres/connection.h"
#include "sluice/v1/error.pb.h"

namespace sluice::query {

// Joins a call, which may be cancelled at any time from any thread, with the connection
// that flies for it at the moment. A cancel can not hit another call: it reaches a
// connection only between Board and Leave.
class CancelToken {
 public:
  // Who wanted it first.
  enum class EndedBy { kNobody, kCaller, kGateway, kOperator };

  void Cancel() { End(EndedBy::kCaller); }
  // The gateway ends, and with it the call.
  void Drain() { End(EndedBy::kGateway); }
  void CancelForOperator() { End(EndedBy::kOperator); }
  bool cancelled() const { return ended_by() != EndedBy::kNobody; }
  EndedBy ended_by() const;
  // What its caller hears then, of work of which this became.
  absl::Status WhyEnded(v1::Outcome outcome) const;

  // Before a flight; false if the call is cancelled already, and the flight must not start.
  bool Board(postgres::Connection* connection);
  // After it.
  void Leave();

  // The call's statement is part of a flight that others share, which has `flight` as its own token,
  // until it is null: a drain of any of them ends it, and a cancel of one does not.
  void TakePart(CancelToken* flight);

 private:
  void End(EndedBy who);

  mutable Mutex mu_;
  EndedBy ended_by_ ABSL_GUARDED_BY(mu_) = EndedBy::kNobody;
  postgres::Connection* flying_on_ ABSL_GUARDED_BY(mu_) = nullptr;
  CancelToken* flight_ ABSL_GUARDED_BY(mu_) = nullptr;
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_CANCEL_TOKEN_H_
