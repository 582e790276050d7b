#ifndef SLUICE_SERVER_QUERY_ROSTER_H_
#define SLUICE_SERVER_QUERY_ROSTER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/postgres/listener.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

// The bytes of a v1::ListenResponse, made once for all who get it.
using EventBytes = std::shared_ptr<const std::string>;

// Who listens. Called on the hub's thread, which must not be held up.
class Subscriber {
 public:
  virtual ~Subscriber() = default;
  virtual const std::string& caller() const = 0;
  virtual const std::vector<std::string>& channels() const = 0;
  virtual void Deliver(const EventBytes& event) = 0;
  // The hub has nothing more for it. May come twice.
  virtual void End(const absl::Status& status) = 0;
};

// Who listens to what, what PostgreSQL has been asked for, and who has heard that it is in force. Not thread-safe.
class Roster {
 public:
  void Add(std::shared_ptr<Subscriber> subscriber);
  void Remove(Subscriber* subscriber);
  bool empty() const { return members_.empty(); }
  size_t channel_count() const { return channels_.size(); }
  bool IsWanted(const std::string& channel) const { return channels_.contains(channel); }

  // What PostgreSQL is to be asked for, since the last time.
  struct Changes {
    std::vector<std::string> listen, unlisten;
    bool empty() const { return listen.empty() && unlisten.empty(); }
  };
  Changes TakeChanges();
  void PutInForce(const std::vector<std::string>& channels);
  // Tells those all of whose channels are in force, as all are behind TakeChanges and PutInForce.
  void TellReady();

  // Nothing is in force any more. Since `good_at` something may be missing, which is told to whoever was ready.
  void OnLost(absl::Time good_at);

  void Deliver(const postgres::Notification& notification, absl::Time received_at);
  // A heartbeat for all who are ready, unless some still wait for the last one; and the next hundred of them: ten
  // thousand at once would hold up notifications for 200 ms.
  void BeginHeartbeat();
  void SendHeartbeats();
  bool has_heartbeats_to_send() const { return !heartbeats_.empty(); }

  // End some of them: who wants this channel; who was never ready; all.
  void Refuse(const std::string& channel, const absl::Status& status);
  void RefuseNewcomers(const absl::Status& status);
  void EndAll(const absl::Status& status);

 private:
  struct Member {
    std::shared_ptr<Subscriber> subscriber;
    // Has been told that LISTEN is in force.
    bool is_ready = false;
    // Since when something may be missing, of one that was ready before; infinite for one that was not.
    absl::Time missing_since = absl::InfiniteFuture();
    bool was_ready() const { return missing_since != absl::InfiniteFuture(); }
  };
  struct Channel {
    absl::flat_hash_set<Subscriber*> subscribers;
    bool in_force = false;
  };

  void DeliverToReady(const v1::ListenResponse& event) const;
  void End(const std::vector<Subscriber*>& subscribers, const absl::Status& status);

  absl::flat_hash_map<Subscriber*, Member> members_;
  absl::flat_hash_map<std::string, Channel> channels_;
  // Not asked for yet; not wanted any more.
  absl::flat_hash_set<std::string> to_listen_, to_unlisten_;
  bool someone_is_not_ready_ = false;
  // Who is still to hear that the connection was proven; some may be gone.
  std::vector<Subscriber*> heartbeats_;
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_ROSTER_H_
