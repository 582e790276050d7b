#include "server/admin/port.h"

#include <httplib.h>
#include <sys/socket.h>

#include <cerrno>
#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/admin/status_page.h"
#include "server/admin/statusz.h"
#include "server/base/local_address.h"
#include "server/base/mutex.h"
#include "server/base/system.h"

namespace sluice::admin {
namespace {

// Who looks at the status page has a thread for as long; past these, its page asks again and again instead.
constexpr int kViewersMax = 4;
// One scrape, one probe and one page at the same time, and one more; and the viewers'.
constexpr size_t kThreads = 4 + kViewersMax;
constexpr time_t kPatienceSeconds = 5;

constexpr absl::Duration kRefreshEvery = absl::Seconds(1);

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

// A page of another site that has its name lead here is not one of ours (DNS rebinding): its browser says that name.
// What a proxy brings is from elsewhere.
bool IsOfThisMachine(const httplib::Request& request) {
  for (const char* header : {"Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"}) {
    if (request.has_header(header)) return false;
  }
  if (request.headers.count("Host") != 1) return false;
  std::string host = request.get_header_value("Host");
  const size_t colon = host.rfind(':');
  if (colon != std::string::npos && host.back() != ']') host.resize(colon);
  return IsLocalHost(absl::StripPrefix(request.remote_addr, "::ffff:")) && IsLocalHost(host);
}

// The library's threads, and a bound: who comes when so many wait is let in later, by the kernel.
class BoundedQueue : public httplib::TaskQueue {
 public:
  BoundedQueue() {
    for (size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Run(); });
  }

  void enqueue(std::function<void()> task) override {
    {
      MutexLock lock(&mu_);
      while (tasks_.size() >= kWaitingMax) room_.Wait(&mu_);
      tasks_.push_back(std::move(task));
    }
    arrival_.NotifyOne();
  }
  void shutdown() override {
    {
      MutexLock lock(&mu_);
      is_over_ = true;
    }
    arrival_.NotifyAll();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  static constexpr size_t kWaitingMax = 64;

  void Run() {
    for (;;) {
      std::function<void()> task;
      {
        MutexLock lock(&mu_);
        while (tasks_.empty() && !is_over_) arrival_.Wait(&mu_);
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      room_.NotifyOne();
      task();
    }
  }

  Mutex mu_;
  CondVar arrival_, room_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace

// What answers, for as long as somebody is being answered.
class Port::Desk {
 public:
  explicit Desk(Controls controls) : controls_(std::move(controls)) {
    server_.new_task_queue = [] { return new BoundedQueue; };
    server_.set_read_timeout(kPatienceSeconds);
    server_.set_write_timeout(kPatienceSeconds);
    // A thread serves a connection to its end: a browser that keeps six of them would keep out the probes.
    server_.set_keep_alive_max_count(1);
    server_.set_payload_max_length(64 << 10);
    server_.set_tcp_nodelay(true);
    // No SO_REUSEPORT, as the library would have it: two gateways on one port would share its visitors at random.
    server_.set_socket_options([](int socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    // Nothing here has a body, or parts: what the library does with them is not to be found out by strangers.
    server_.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& page) {
      using Response = httplib::Server::HandlerResponse;
      if (request.has_header("Range") || request.has_header("Transfer-Encoding")) {
        page.status = 400;
        return Response::Handled;
      }
      if (request.method != "GET" && request.method != "HEAD" && request.method != "POST") {
        page.status = 405;
        return Response::Handled;
      }
      // The library would wait for the body of a POST that does not say that it has none, as curl -X POST sends it.
      if (request.method != "POST" || request.has_header("Content-Length")) return Response::Unhandled;
      const httplib::Server::Handler cancel = For(&Desk::CancelCall);
      cancel(request, page);
      return Response::Handled;
    });
    AddPages();
  }

  // The port in use; 0 or less if it can not be had.
  int Bind(const HostAndPort& at) {
    if (at.port == 0) return server_.bind_to_any_port(at.host);
    return server_.bind_to_port(at.host, at.port) ? at.port : 0;
  }
  void Run() {
    server_.listen_after_bind();
    MutexLock lock(&mu_);
    has_ended_ = true;
    end_.NotifyAll();
  }
  void Close() {
    constexpr absl::Duration kPatience = absl::Seconds(1);
    {
      MutexLock lock(&mu_);
      is_open_ = false;
    }
    closing_.NotifyAll();
    const absl::Time end = absl::Now() + kPatience;
    // The library's stop() does nothing for one that has not begun.
    while (!server_.is_running() && absl::Now() < end) absl::SleepFor(absl::Milliseconds(1));
    server_.stop();
    MutexLock lock(&mu_);
    while (!has_ended_ && absl::Now() < end) end_.WaitUntil(&mu_, end);
  }

 private:
  // Under its lock: what the controls ask is there until it is closed.
  using Page = void (Desk::*)(const httplib::Request&, httplib::Response*);
  httplib::Server::Handler For(Page page) {
    return [this, page](const httplib::Request& request, httplib::Response& response) {
      MutexLock lock(&mu_);
      if (is_open_) return (this->*page)(request, &response);
      response.status = 503;
    };
  }
  void AddPages() {
    server_.Get("/livez", [](const httplib::Request&, httplib::Response& page) { page.set_content("ok\n", kText); });
    server_.Get("/readyz", For(&Desk::Readyz));
    server_.Get("/metrics", For(&Desk::Metrics));
    server_.Get("/", For(&Desk::StatusPage));
    server_.Get("/events", For(&Desk::Events));
    server_.Get("/statusz.json", For(&Desk::Statusz));
    server_.Post(".*", For(&Desk::CancelCall));
  }

  void Readyz(const httplib::Request& request, httplib::Response* page) {
    const observe::State state = controls_.state();
    page->status = state.ready ? 200 : 503;
    page->set_content(MaySeeAll(request) ? WhyReady(state) : (state.ready ? "ok\n" : "not ready\n"), kText);
  }
  void Metrics(const httplib::Request&, httplib::Response* page) {
    page->set_content(controls_.metrics(), "text/plain; version=0.0.4; charset=utf-8");
  }
  void Statusz(const httplib::Request& request, httplib::Response* page) {
    if (!Admits(request, page)) return;
    page->set_header("Cache-Control", "no-store");
    page->set_content(StatusAsJson(controls_) + "\n", "application/json");
  }
  void StatusPage(const httplib::Request& request, httplib::Response* page) {
    if (!Admits(request, page)) return;
    // Nothing comes from anywhere else, and no other site's page shows it in a frame of its own.
    page->set_header("Content-Security-Policy",
                     "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
                     "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    page->set_header("X-Content-Type-Options", "nosniff");
    page->set_header("Cache-Control", "no-store");
    page->set_content(kStatusPage, "text/html; charset=utf-8");
  }
  // The same as /statusz.json, every second, as server-sent events.
  void Events(const httplib::Request& request, httplib::Response* page) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!Admits(request, page)) return;
    if (viewers_ == kViewersMax) {
      page->status = 503;
      return page->set_content("As many watch as can; /statusz.json says the same once.\n", kText);
    }
    ++viewers_;
    page->set_header("Cache-Control", "no-store");
    page->set_chunked_content_provider(
        "text/event-stream", [this](size_t offset, httplib::DataSink& sink) { return SendEvent(offset, &sink); },
        [this](bool /*succeeded*/) {
          MutexLock lock(&mu_);
          --viewers_;
        });
  }
  // False ends them. On the visitor's thread, until it has left.
  bool SendEvent(size_t offset, httplib::DataSink* sink) {
    std::string event;
    {
      MutexLock lock(&mu_);
      const absl::Time next = absl::Now() + (offset == 0 ? absl::ZeroDuration() : kRefreshEvery);
      while (is_open_ && absl::Now() < next) closing_.WaitUntil(&mu_, next);
      if (!is_open_) return false;
      event = absl::StrCat("data: ", StatusAsJson(controls_), "\n\n");
    }
    return sink->is_writable() && sink->write(event.data(), event.size());
  }
  void CancelCall(const httplib::Request& request, httplib::Response* page) {
    if (!Admits(request, page)) return;
    // Which no form of another site's page can send.
    if (!request.has_header("X-Sluice")) {
      page->status = 403;
      return page->set_content("This needs a header X-Sluice, with anything in it.\n", kText);
    }
    absl::string_view digits = request.path;
    int64_t id = 0;
    const bool is_there = absl::ConsumePrefix(&digits, "/calls/") && absl::ConsumeSuffix(&digits, "/cancel");
    const bool found = is_there && absl::SimpleAtoi(digits, &id) && controls_.cancel_call(id);
    page->status = found ? 200 : 404;
    page->set_content(found ? "asked to end\n" : "no call in progress has this id\n", kText);
  }

  // Answers 403 to who may not.
  bool Admits(const httplib::Request& request, httplib::Response* page) const {
    if (MaySeeAll(request)) return true;
    page->status = 403;
    page->set_content(
        "From another machine, by a name of one, or through a proxy, this needs the bearer token of a caller with the "
        "permission admin.\n",
        kText);
    return false;
  }
  bool MaySeeAll(const httplib::Request& request) const {
    if (IsOfThisMachine(request)) return true;
    if (!request.has_header("Authorization")) return false;
    auth::Credentials credentials;
    credentials.authorization = request.get_header_value("Authorization");
    return CheckOperator(controls_, credentials).ok();
  }

  const Controls controls_;
  httplib::Server server_;
  Mutex mu_;
  CondVar end_, closing_;
  bool is_open_ ABSL_GUARDED_BY(mu_) = true;
  bool has_ended_ ABSL_GUARDED_BY(mu_) = false;
  int viewers_ ABSL_GUARDED_BY(mu_) = 0;
};

absl::StatusOr<std::unique_ptr<Port>> Port::Start(const Options& options, Controls controls) {
  auto desk = std::make_shared<Desk>(std::move(controls));
  errno = 0;
  const int port = desk->Bind(Split(options.listen));
  if (port <= 0) {
    return absl::UnavailableError(absl::StrCat("admin_listen: can not listen on ", options.listen, ": ",
                                               SystemText(errno), " (another gateway's? Each needs its own, or off)"));
  }
  std::string address = absl::StrCat(options.listen.substr(0, options.listen.rfind(':')), ":", port);
  return std::unique_ptr<Port>(new Port(std::move(desk), std::move(address)));
}

Port::Port(std::shared_ptr<Desk> desk, std::string address) : desk_(std::move(desk)), address_(std::move(address)) {
  std::thread([desk = desk_] { desk->Run(); }).detach();
}

Port::~Port() { desk_->Close(); }

}  // namespace sluice::admin
