// How a gateway that runs takes new settings.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/gateway.h"
#include "server/options.h"

namespace sluice {
namespace {

// A login that the database does not take is as wrong as a text that can not be read. One that can not be tried is
// taken all the same, and said to be: the database may be away because its login is another one now.
class LoginCheck {
 public:
  void Look(const char* setting, const postgres::Connection::Options& before,
            const postgres::Connection::Options& wanted) {
    if (before.parameters == wanted.parameters) return;
    const absl::Status taken = postgres::Pool::CheckLogin(wanted);
    if (taken.ok()) return;
    (absl::IsUnavailable(taken) ? unchecked : problems).push_back(absl::StrCat(setting, ": ", taken.message()));
  }

  std::vector<std::string> problems, unchecked;
};

void Append(const std::vector<std::string>& more, std::vector<std::string>* all) {
  all->insert(all->end(), more.begin(), more.end());
}

}  // namespace

void Gateway::AwaitReload(ReloadWaiter waiter) {
  {
    MutexLock lock(&mu_);
    if (!is_draining_) {
      reload_waiters_.push_back(std::move(waiter));
      waiter = nullptr;
    }
  }
  if (waiter != nullptr) return waiter(errors::Draining());
  process_.ask_for_reload();
}

std::vector<Gateway::ReloadWaiter> Gateway::TakeReloadWaiters() {
  MutexLock lock(&mu_);
  return std::exchange(reload_waiters_, {});
}

void Gateway::Reload() {
  const std::vector<ReloadWaiter> waiters = TakeReloadWaiters();
  const absl::StatusOr<admin::Reloaded> reloaded = TryReload();
  for (const ReloadWaiter& waiter : waiters) waiter(reloaded);
}

absl::StatusOr<admin::Reloaded> Gateway::TryReload() {
  const config::RawSettings wanted = process_.gather();
  config::RawSettings running;
  config::Config before;
  {
    MutexLock lock(&mu_);
    running = raw_;
    before = config_;
  }
  std::vector<std::string> problems;
  std::optional<config::Reload> reload = config::MakeReload(running, wanted, &problems);
  SettingsFiles files;
  LoginCheck logins;
  if (reload.has_value()) {
    const config::Config& next = reload->config;
    files = LoadSettingsFiles(next, &problems);
    logins.Look("database_url", PoolOptions(before).connection, PoolOptions(next).connection);
    if (hub_ != nullptr) logins.Look("listen_url", HubOptions(before).connection, HubOptions(next).connection);
    Append(logins.problems, &problems);
    const absl::Status prepared = problems.empty() ? pool_->PrepareFor(next.pool_size) : absl::OkStatus();
    if (!prepared.ok()) problems.push_back(absl::StrCat("pool_size: ", prepared.message()));
  }
  if (!problems.empty()) {
    observer_.Record(observe::ConfigurationRefused{problems});
    return errors::ConfigurationRefused(problems);
  }
  observer_.Record(observe::ConfigurationReloaded{reload->changed, reload->waiting, logins.unchecked,
                                                  static_cast<int>(files.callers.size())});
  Take(*reload, std::move(files));
  return admin::Reloaded{reload->changed, reload->waiting, logins.unchecked};
}

// Nothing in it can fail.
void Gateway::Take(const config::Reload& reload, SettingsFiles files) {
  const config::Config& config = reload.config;
  {
    MutexLock lock(&mu_);
    raw_ = reload.raw;
    config_ = config;
  }
  if (!config.callers_file.empty()) authenticator_.Replace(std::move(files.callers));
  if (files.certificates.has_value()) server_->Replace(*std::move(files.certificates));
  service_->Adjust(ServiceOptions(config));
  line_->Adjust(LineOptions(config));
  pool_->Adjust(PoolOptions(config));
  if (hub_ != nullptr) hub_->Adjust(HubOptions(config).connection);
}

}  // namespace sluice
