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

// A login that the database does not take is as wrong as a text that can not be read.
void CheckLogins(const config::Config& before, const config::Config& wanted, std::vector<std::string>* problems) {
  const postgres::Connection::Options now = PoolOptions(before).connection, next = PoolOptions(wanted).connection;
  if (now.parameters != next.parameters) {
    const absl::Status taken = postgres::Pool::CheckLogin(next);
    if (!taken.ok()) problems->push_back(absl::StrCat("database_url: ", taken.message()));
  }
  if (!before.listen_database.has_value()) return;
  const postgres::Connection::Options listener = HubOptions(wanted).connection;
  if (HubOptions(before).connection.parameters == listener.parameters) return;
  const absl::Status taken = postgres::Pool::CheckLogin(listener);
  if (!taken.ok()) problems->push_back(absl::StrCat("listen_url: ", taken.message()));
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
  if (reload.has_value()) files = LoadSettingsFiles(reload->config, &problems);
  if (reload.has_value()) CheckLogins(before, reload->config, &problems);
  if (!problems.empty()) {
    observer_.Record(observe::ConfigurationRefused{problems});
    return errors::ConfigurationRefused(problems);
  }
  observer_.Record(
      observe::ConfigurationReloaded{reload->changed, reload->waiting, static_cast<int>(files.callers.size())});
  Take(before, *reload, std::move(files));
  return admin::Reloaded{reload->changed, reload->waiting};
}

// Nothing in it can fail.
void Gateway::Take(const config::Config& before, const config::Reload& reload, SettingsFiles files) {
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
  if (hub_ == nullptr) return;
  const postgres::ConnectionParameters login = HubOptions(config).connection.parameters;
  if (login != HubOptions(before).connection.parameters) hub_->Adjust(login);
}

}  // namespace sluice
