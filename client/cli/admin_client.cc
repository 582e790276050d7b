#include "client/cli/admin_client.h"

#include "absl/strings/str_cat.h"
#include "client/cli/report.h"
#include "client/cpp/channel.h"
#include "server/base/local_address.h"
#include "server/base/status_macros.h"

namespace sluice::cli {

absl::StatusOr<AdminClient> AdminClient::Open(const Target& target) {
  ASSIGN_OR_RETURN(client::Database::Options options, OptionsWithToken(target));
  options.target = target.admin_target;
  const bool is_local = IsLocalAddress(options.target);
  const bool has_tls = options.tls || !options.ca_file.empty() || !options.cert_file.empty();
  if (!is_local && !has_tls) {
    return absl::InvalidArgumentError(
        absl::StrCat("the operators' port speaks no TLS, so ", options.target,
                     " is to be reached by a tunnel (kubectl port-forward, ssh -L), or with --tls or --ca_file by a "
                     "proxy that has it"));
  }
  if (is_local) {
    options.tls = false;
    options.ca_file = options.cert_file = options.key_file = "";
  }
  AdminClient admin;
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, client::OpenChannel(options));
  admin.stub_ = v1::Admin::NewStub(channel);
  if (!options.token.empty()) admin.authorization_ = absl::StrCat("Bearer ", options.token);
  return admin;
}

}  // namespace sluice::cli
