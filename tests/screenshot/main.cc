// Makes the README's picture of the status page: a gateway before PgBouncer under a mixed load, for half a minute.
//   bazel run //tests/screenshot -- $PWD/docs/status.png [--dark]

#include <atomic>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/browser.h"
#include "tests/support/direct.h"
#include "tests/support/gateway.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

namespace sluice {
namespace {

constexpr char kSchema[] =
    "CREATE TABLE orders (id int8 PRIMARY KEY, customer int8, state text, total numeric);"
    "INSERT INTO orders SELECT i, i % 997, CASE WHEN i % 5 = 0 THEN 'open' ELSE 'paid' END, i % 1000"
    " FROM generate_series(1, 200000) i;"
    "CREATE INDEX ON orders (customer); ANALYZE orders";

// A kind of caller: makes its call again and again, with a pause.
struct Kind {
  const char* tag;
  int callers;
  absl::Duration pause;
  std::function<void(const client::Database&, const client::CallOptions&, int)> call;
};

std::vector<Kind> Kinds() {
  const auto run = [](const char* sql) {
    return [sql](const client::Database& db, const client::CallOptions& options, int i) {
      (void)db.Execute(client::Statement(sql, int64_t{1} + i % 199000), options);
    };
  };
  return {
      {"shop.order", 24, absl::Milliseconds(4), run("SELECT id, state, total FROM orders WHERE id = $1")},
      {"shop.history", 6, absl::Milliseconds(20),
       run("SELECT count(*), sum(total) FROM orders WHERE customer = $1 % 997")},
      {"checkout.pay", 4, absl::Milliseconds(30), run("UPDATE orders SET state = 'paid' WHERE id = $1")},
      {"report.daily", 1, absl::Milliseconds(400),
       run("SELECT state, sum(total) FROM orders WHERE id > $1 GROUP BY state")},
      {"import.legacy", 1, absl::Seconds(2), run("SELECT total / 0 FROM orders WHERE id = $1")},
      {"report.yearly", 2, absl::Seconds(1), run("SELECT pg_sleep(9), $1::int8 AS year")},
  };
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: screenshot FILE.png [--dark]\n", stderr);
    return 2;
  }
  const testing_support::PostgresServer postgres;
  testing_support::Direct(postgres.ConnectionString()).Run(kSchema);
  const testing_support::PgBouncer pgbouncer(postgres, testing_support::PgBouncer::Options());
  const testing_support::Gateway gateway(pgbouncer.Url(), {"--admin_listen=127.0.0.1:0", "--log_format=json"});
  std::atomic<bool> done{false};
  std::vector<std::thread> callers;
  for (const Kind& kind : Kinds()) {
    for (int n = 0; n < kind.callers; ++n) {
      callers.emplace_back([&, kind, db = gateway.Client()] {
        client::CallOptions options;
        options.tag = kind.tag;
        for (int i = n * 7919; !done; ++i) {
          kind.call(db, options, i);
          absl::SleepFor(kind.pause);
        }
      });
    }
  }
  testing_support::Browser::Options look;
  look.dark = argc > 2 && std::string(argv[2]) == "--dark";
  look.height = 1240;
  testing_support::Browser browser(look);
  browser.Open(absl::StrCat("http://", gateway.AdminAddress(), "/"));
  absl::SleepFor(absl::Seconds(35));
  std::ofstream(argv[1], std::ios::binary) << browser.Screenshot();
  done = true;
  for (std::thread& caller : callers) caller.join();
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::Main(argc, argv); }
