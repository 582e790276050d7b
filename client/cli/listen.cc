// sluice listen: what is notified, line by line.

#include <google/protobuf/util/time_util.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/report.h"
#include "client/cli/terminal.h"

namespace sluice::cli {
namespace {

std::string LineOf(const v1::ListenResponse::Notification& notification, bool json) {
  if (!json) return absl::StrCat(Printable(notification.channel()), "\t", Printable(notification.payload()), "\n");
  using Json = nlohmann::ordered_json;
  const Json object = {{"channel", notification.channel()},
                       {"payload", notification.payload()},
                       {"backendPid", notification.backend_pid()},
                       {"receivedAt", google::protobuf::util::TimeUtil::ToString(notification.received_at())}};
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

int RunListen(const Target& target, const ListenArguments& arguments) {
  absl::StatusOr<client::Database> db = Open(target);
  if (!db.ok()) return FailToOpen(db.status());
  client::Subscription subscription = db->Listen(arguments.channels);
  int64_t heard = 0;
  while (subscription.Next()) {
    const v1::ListenResponse& event = subscription.event();
    if (event.has_ready()) PrintError("listening\n");
    if (event.has_gap()) PrintError("gap: notifications may be missing, until it listens again\n");
    if (!event.has_notification()) continue;
    Print(LineOf(event.notification(), arguments.json));
    // Nobody reads any more.
    if (std::fflush(stdout) != 0) return kExitFailed;
    if (++heard == arguments.count) return kExitOk;
  }
  return Fail(target, subscription.status());
}

}  // namespace sluice::cli
