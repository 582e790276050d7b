#ifndef SLUICE_SERVER_RPC_SUBSCRIPTION_H_
#define SLUICE_SERVER_RPC_SUBSCRIPTION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/mutex.h"
#include "server/observe/events.h"
#include "server/query/hub.h"
#include "server/rpc/outgoing.h"
#include "sluice/v1/database.pb.h"

namespace sluice::rpc {

// The channels of a request, each once; INVALID_FIELD.
absl::StatusOr<std::vector<std::string>> ChannelsOf(const v1::ListenRequest& request);

// One Listen call: takes events from the hub, and keeps a bounded number of them for a client that reads slowly.
// Thread-safe.
class Subscription : public query::Subscriber, public std::enable_shared_from_this<Subscription> {
 public:
  struct Facts {
    std::string caller;
    std::vector<std::string> channels;
  };

  // `hub` and `observer` must outlive it.
  Subscription(Facts facts, std::shared_ptr<Outgoing> outgoing, query::Hub* hub, observe::Observer* observer);

  // Joins the hub, or ends with its refusal.
  void Start();
  // The client is gone.
  void OnCancel();

  const std::string& caller() const override { return facts_.caller; }
  const std::vector<std::string>& channels() const override { return facts_.channels; }
  void Deliver(const query::EventBytes& event) override;
  void End(const absl::Status& status) override;

 private:
  const Facts facts_;
  const std::shared_ptr<Outgoing> outgoing_;
  query::Hub& hub_;
  observe::Observer& observer_;

  Mutex mu_;
  bool joined_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace sluice::rpc

#endif  // SLUICE_SERVER_RPC_SUBSCRIPTION_H_
