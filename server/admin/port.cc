#include "server/admin/port.h"

#include <httplib.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/admin/statusz.h"

namespace sluice::admin {
namespace {

// One scrape, one probe and one page at the same time, and one more.
constexpr size_t kThreads = 4;
constexpr time_t kPatienceSeconds = 5;

constexpr size_t kCallsShown = 50;

constexpr char kText[] = "text/plain; charset=utf-8";

struct HostAndPort {
  std::string host;
  int port = 0;
};

HostAndPort Split(const std::string& address) {
  const size_t colon = address.rfind(':');
  HostAndPort split;
  split.host = address.substr(0, colon);
  if (absl::StartsWith(split.host, "[") && absl::EndsWith(split.host, "]")) {
    split.host = split.host.substr(1, split.host.size() - 2);
  }
  (void)absl::SimpleAtoi(absl::string_view(address).substr(colon + 1), &split.port);
  return split;
}

bool IsThisMachine(absl::string_view host) {
  return host == "localhost" || host == "::1" || host == "[::1]" || absl::StartsWith(host, "127.") ||
         absl::StartsWith(host, "::ffff:127.");
}

// A page of another site that has its name lead here is not one of ours (DNS rebinding): its browser says that name.
bool NamesThisMachine(const httplib::Request& request) {
  absl::string_view host = request.headers.count("Host") == 1 ? request.headers.find("Host")->second : "";
  const size_t colon = host.rfind(':');
  if (colon != absl::string_view::npos && !absl::EndsWith(host, "]")) host = host.substr(0, colon);
  return IsThisMachine(host);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Port>> Port::Start(const Options& options, Sources sources) {
  auto server = std::make_unique<httplib::Server>();
  server->new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server->set_read_timeout(kPatienceSeconds);
  server->set_write_timeout(kPatienceSeconds);
  server->set_keep_alive_timeout(kPatienceSeconds);
  server->set_payload_max_length(64 << 10);
  server->set_tcp_nodelay(true);
  // No SO_REUSEPORT, as the library would have it: two gateways on one port would share its visitors at random.
  server->set_socket_options([](int socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  const HostAndPort at = Split(options.listen);
  const int port =
      at.port == 0 ? server->bind_to_any_port(at.host) : (server->bind_to_port(at.host, at.port) ? at.port : -1);
  if (port <= 0) return absl::UnavailableError(absl::StrCat("admin_listen: can not listen on ", options.listen));
  std::unique_ptr<Port> started(new Port(std::move(server), std::move(sources)));
  started->address_ = absl::StrCat(options.listen.substr(0, options.listen.rfind(':')), ":", port);
  return started;
}

Port::Port(std::unique_ptr<httplib::Server> server, Sources sources)
    : sources_(std::move(sources)), server_(std::move(server)) {
  AddPages();
  thread_ = std::thread([this] { server_->listen_after_bind(); });
}

Port::~Port() {
  server_->stop();
  thread_.join();
}

void Port::AddPages() {
  server_->Get("/livez", [](const httplib::Request&, httplib::Response& page) { page.set_content("ok\n", kText); });
  server_->Get("/readyz", [this](const httplib::Request& request, httplib::Response& page) {
    const observe::State state = sources_.state();
    page.status = state.ready ? 200 : 503;
    page.set_content(MaySeeAll(request) ? WhyReady(state) : (state.ready ? "ok\n" : "not ready\n"), kText);
  });
  server_->Get("/metrics", [this](const httplib::Request&, httplib::Response& page) {
    page.set_content(sources_.metrics(), "text/plain; version=0.0.4; charset=utf-8");
  });
  server_->Get("/statusz.json", [this](const httplib::Request& request, httplib::Response& page) {
    if (!Admits(request, &page)) return;
    page.set_header("Cache-Control", "no-store");
    page.set_content(StatusAsJson(sources_.state(), sources_.longest_calls(kCallsShown), sources_.latest_errors()),
                     "application/json");
  });
  server_->Post(R"(/calls/(\d{1,18})/cancel)", [this](const httplib::Request& request, httplib::Response& page) {
    if (Admits(request, &page)) CancelCall(request, &page);
  });
}

bool Port::Admits(const httplib::Request& request, httplib::Response* page) const {
  if (MaySeeAll(request)) return true;
  page->status = 403;
  page->set_content(
      "From another machine, or by a name of one, this needs the bearer token of a caller with the permission admin.\n",
      kText);
  return false;
}

void Port::CancelCall(const httplib::Request& request, httplib::Response* page) const {
  // Which no form of another site's page can send.
  if (!request.has_header("X-Sluice")) {
    page->status = 403;
    return page->set_content("This needs a header X-Sluice, with anything in it.\n", kText);
  }
  int64_t id = 0;
  const bool found = absl::SimpleAtoi(request.matches[1].str(), &id) && sources_.cancel_call(id);
  page->status = found ? 200 : 404;
  page->set_content(found ? "cancelled\n" : "no call in progress has this id\n", kText);
}

bool Port::MaySeeAll(const httplib::Request& request) const {
  if (IsThisMachine(request.remote_addr) && NamesThisMachine(request)) return true;
  if (sources_.authenticator == nullptr || !request.has_header("Authorization")) return false;
  auth::Credentials credentials;
  credentials.authorization = request.get_header_value("Authorization");
  const absl::StatusOr<auth::Caller> caller = sources_.authenticator->Identify(credentials);
  return caller.ok() && caller->may.admin;
}

}  // namespace sluice::admin
