#ifndef SLUICE_CLIENT_CPP_SUBSCRIPTION_H_
#define SLUICE_CLIENT_CPP_SUBSCRIPTION_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sluice/v1/database.pb.h"

namespace sluice::client {

// What is notified on some channels:
//
//   client::Subscription jobs = db.Listen({"jobs"});
//   while (jobs.Next()) {
//     if (jobs.event().has_notification()) Work(jobs.event().notification().payload());
//     if (jobs.event().has_gap()) LookAtTheTable();   // something may have been missed
//   }
//   ... jobs.status()
//
// When the gateway ends, or the way to it breaks, it subscribes again: a gap, as when the gateway loses its database.
// Movable; not thread-safe, but for Stop().
class Subscription {
 public:
  // One call.
  class Source {
   public:
    virtual ~Source() = default;
    // Waits for the next event; false at the end.
    virtual bool Read(v1::ListenResponse* event) = 0;
    // After Read was false: how it ended.
    virtual absl::Status Finish() = 0;
    // From any thread: Read ends.
    virtual void Cancel() = 0;
  };
  // `open` makes a call; again after one that has ended, for `patience` at most until there is an event.
  Subscription(std::function<std::unique_ptr<Source>()> open, absl::Duration patience);
  Subscription(Subscription&&) noexcept;
  Subscription& operator=(Subscription&&) noexcept;
  ~Subscription();

  // Waits for the next event, which may be a heartbeat. False at the end: stopped, or status() tells why.
  bool Next();
  const v1::ListenResponse& event() const;
  // OK after Stop().
  const absl::Status& status() const;

  // From any thread, while the subscription lives: Next() is false soon.
  void Stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::client

#endif  // SLUICE_CLIENT_CPP_SUBSCRIPTION_H_
