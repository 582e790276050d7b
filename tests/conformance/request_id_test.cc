// A call with a request_id is done once, however often it is made, and whatever happens to its answers.

#include <signal.h>

#include <future>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/error.h"
#include "tests/conformance/fixture.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/sluice_command.h"

namespace sluice {
namespace {

using client::Statement;
using testing_support::Ended;
using testing_support::Eventually;
using testing_support::FaultProxy;
using testing_support::Gateway;
using testing_support::RunSluice;
using Way = FaultProxy::Way;

class RequestIdTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    Direct().Run(
        "DROP SCHEMA IF EXISTS sluice CASCADE; DROP TABLE IF EXISTS orders; "
        "CREATE TABLE orders (id serial PRIMARY KEY, item text NOT NULL, made_at timestamptz DEFAULT "
        "clock_timestamp())");
    const Ended setup = RunSluice({"setup", "--database_url", pgbouncer_->Url()});
    ASSERT_EQ(setup.exit_code, 0) << setup.output;
  }

  static client::CallOptions With(const std::string& id) {
    client::CallOptions options;
    options.request_id = id;
    return options;
  }
  static Statement Order(const std::string& item) {
    return Statement("INSERT INTO orders (item) VALUES ($1) RETURNING id, item, made_at", item);
  }

  std::string Orders() {
    return Direct().Value("SELECT coalesce(string_agg(item, ' ' ORDER BY item), '') FROM orders");
  }
  std::string Entries() { return Direct().Value("SELECT count(*) FROM sluice.requests"); }

  // A client that makes each call once.
  static client::Database Once(const Gateway& gateway) {
    client::Database::Options options;
    options.target = gateway.address();
    options.retries_max = 0;
    return *client::Database::Open(options);
  }
};

bool IsReplayed(const absl::StatusOr<client::Result>& result) {
  return result.ok() && result->info().source() == v1::CallInfo::REPLAYED;
}

TEST_F(RequestIdTest, TheSecondTryGetsTheFirstAnswer) {
  // A gateway looks at the table once.
  ASSERT_EQ(Reason(db().Execute(Statement("SELECT 1"), With("look"))), "ok");
  const absl::StatusOr<client::Result> first = db().Execute(Order("tea"), With("a"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->info().source(), v1::CallInfo::DATABASE);
  EXPECT_EQ(first->info().round_trips(), 2);
  const absl::StatusOr<client::Result> second = db().Execute(Order("tea"), With("a"));
  ASSERT_TRUE(IsReplayed(second)) << second.status();
  // The time, too, to the microsecond.
  EXPECT_EQ(second->proto().SerializeAsString(), first->proto().SerializeAsString());
  EXPECT_EQ(first->proto().command(), "INSERT");
  EXPECT_EQ(Orders(), "tea");
  EXPECT_EQ(Reason(db().Execute(Order("tea"), With("b"))), "ok");
  EXPECT_EQ(Orders(), "tea tea");
}

TEST_F(RequestIdTest, ABatchIsDoneOnce) {
  const std::vector<Statement> batch = {Order("bread"), Statement("UPDATE orders SET item = 'rye'"), Order("salt")};
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<std::vector<client::Result>> results = db().ExecuteAtomic(batch, With("batch"));
    ASSERT_TRUE(results.ok()) << results.status();
    ASSERT_EQ(results->size(), 3u);
    EXPECT_EQ((*results)[1].proto().row_count(), 1);
    EXPECT_EQ((*results)[2].info().source(), i == 0 ? v1::CallInfo::DATABASE : v1::CallInfo::REPLAYED);
  }
  EXPECT_EQ(Orders(), "rye salt");
}

TEST_F(RequestIdTest, AnotherGatewayKnowsIt) {
  const Gateway other(postgres_->Url());
  EXPECT_EQ(Reason(db().Execute(Order("tea"), With("a"))), "ok");
  EXPECT_TRUE(IsReplayed(other.Client().Execute(Order("tea"), With("a"))));
  EXPECT_EQ(Orders(), "tea");
}

TEST_F(RequestIdTest, ThoseThatComeAtOnceAreDoneOnce) {
  const Gateway other(pgbouncer_->Url());
  std::vector<std::future<absl::StatusOr<client::Result>>> calls;
  for (int i = 0; i < 16; ++i) {
    calls.push_back(std::async(std::launch::async, [&, i] {
      return (i % 2 == 0 ? *gateway_ : other).Client().Execute(Order("tea"), With("a"));
    }));
  }
  std::set<int64_t> ids;
  int replayed = 0;
  for (auto& call : calls) {
    const absl::StatusOr<client::Result> result = call.get();
    ASSERT_TRUE(result.ok()) << result.status();
    ids.insert(*(*result)[0].Get<int64_t>("id"));
    replayed += IsReplayed(result) ? 1 : 0;
  }
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(replayed, 15);
  EXPECT_EQ(Orders(), "tea");
}

TEST_F(RequestIdTest, AnIdBelongsToItsRequest) {
  ASSERT_EQ(Reason(db().Execute(Order("tea"), With("a"))), "ok");
  const absl::StatusOr<client::Result> other = db().Execute(Order("milk"), With("a"));
  EXPECT_EQ(Reason(other), "REQUEST_ID_REUSED");
  EXPECT_EQ(other.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(OutcomeOf(other.status()), v1::OUTCOME_NOT_STARTED);
  client::CallOptions serializable = With("a");
  serializable.transaction.set_isolation(v1::TransactionOptions::SERIALIZABLE);
  EXPECT_EQ(Reason(db().Execute(Order("tea"), serializable)), "REQUEST_ID_REUSED");
  EXPECT_EQ(Reason(db().ExecuteAtomic({Order("tea")}, With("a"))), "REQUEST_ID_REUSED");
  EXPECT_EQ(Orders(), "tea");
}

TEST_F(RequestIdTest, CallersDoNotSeeEachOthersIds) {
  testing_support::TempDir directory;
  // printf %s one-token | sha256sum
  const std::string callers = directory.Write("callers.json", R"({"callers": [
      {"name": "one", "permissions": ["sql"],
       "token_sha256": "4c135fb168d8874ad2ef74de308f89e2898a577600667cb7c58c57a2bae01475"},
      {"name": "two", "permissions": ["sql"],
       "token_sha256": "f030a8ac87b31b5a76b4d5f5c821bfa8d4087db95189299a17832426a95b4e3a"}]})");
  const Gateway gateway(pgbouncer_->Url(), {"--callers_file=" + callers});
  for (const char* token : {"one-token", "two-token"}) {
    client::Database::Options options;
    options.target = gateway.address();
    options.token = token;
    const absl::StatusOr<client::Result> result = client::Database::Open(options)->Execute(Order(token), With("a"));
    EXPECT_TRUE(result.ok() && !IsReplayed(result)) << result.status();
  }
  EXPECT_EQ(Orders(), "one-token two-token");
}

TEST_F(RequestIdTest, WhatFailedWasNotDoneAndMayBeMadeAgain) {
  ASSERT_EQ(Reason(db().Execute("INSERT INTO orders (id, item) VALUES (1000, 'old')")), "ok");
  const Statement taken("INSERT INTO orders (id, item) VALUES (1000, 'new')");
  const absl::StatusOr<client::Result> refused = db().Execute(taken, With("a"));
  EXPECT_EQ(Reason(refused), "UNIQUE_VIOLATION");
  EXPECT_EQ(OutcomeOf(refused.status()), v1::OUTCOME_ROLLED_BACK);
  EXPECT_EQ(Entries(), "0");
  Direct().Run("DELETE FROM orders");
  EXPECT_EQ(Reason(db().Execute(taken, With("a"))), "ok");
  EXPECT_EQ(Orders(), "new");

  const absl::Status in_batch =
      db().ExecuteAtomic({Order("tea"), Statement("SELECT 1 / $1", 0)}, With("batch")).status();
  EXPECT_EQ(ReasonOf(in_batch), "DIVISION_BY_ZERO");
  EXPECT_EQ(FactsOf(in_batch).metadata["statementIndex"], "1");
  const absl::Status syntax = db().Execute(Statement("INSERT INTO orders VALEUS (1)"), With("c")).status();
  EXPECT_EQ(ReasonOf(syntax), "SYNTAX_ERROR");
  EXPECT_EQ(FactsOf(syntax).metadata["position"], "20");
  EXPECT_EQ(Orders(), "new");
}

TEST_F(RequestIdTest, WhatTheCommitRefusesWasNotDone) {
  Direct().Run(
      "DROP TABLE IF EXISTS lines; CREATE TABLE lines (order_id int REFERENCES orders DEFERRABLE INITIALLY DEFERRED)");
  const absl::Status refused = db().Execute(Statement("INSERT INTO lines VALUES (77)"), With("a")).status();
  EXPECT_EQ(ReasonOf(refused), "FOREIGN_KEY_VIOLATION");
  EXPECT_EQ(OutcomeOf(refused), v1::OUTCOME_ROLLED_BACK);
  EXPECT_EQ(Entries(), "0");
  Direct().Run("INSERT INTO orders (id, item) VALUES (77, 'x')");
  EXPECT_EQ(Reason(db().Execute(Statement("INSERT INTO lines VALUES (77)"), With("a"))), "ok");
  Direct().Run("DROP TABLE lines");
}

TEST_F(RequestIdTest, AnAnswerThatIsTooLargeIsNotKept) {
  const Statement large("INSERT INTO orders (item) VALUES (repeat('x', $1)) RETURNING item", 65300);
  ASSERT_EQ(Reason(db().Execute(large, With("fits"))), "ok");
  EXPECT_TRUE(IsReplayed(db().Execute(large, With("fits"))));
  const Statement larger("INSERT INTO orders (item) VALUES (repeat('x', $1)) RETURNING item", 70000);
  const absl::StatusOr<client::Result> first = db().Execute(larger, With("a"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)[0].Get<std::string>("item")->size(), 70000u);
  const absl::Status second = db().Execute(larger, With("a")).status();
  EXPECT_EQ(ReasonOf(second), "ANSWER_NOT_KEPT");
  EXPECT_EQ(OutcomeOf(second), v1::OUTCOME_COMMITTED);
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM orders"), "2");
}

// Without an id it would be committed, and its answer lost; here nobody is left in doubt.
TEST_F(RequestIdTest, AnAnswerThatNoReplyHoldsIsRolledBack) {
  client::CallOptions options = With("a");
  options.result.set_max_bytes(100);
  const absl::Status told =
      db().Execute(Statement("INSERT INTO orders (item) VALUES (repeat('x', 200)) RETURNING item"), options).status();
  EXPECT_EQ(ReasonOf(told), "RESPONSE_TOO_LARGE");
  EXPECT_EQ(OutcomeOf(told), v1::OUTCOME_ROLLED_BACK);
  EXPECT_EQ(Orders(), "");
  EXPECT_EQ(Entries(), "0");
}

TEST_F(RequestIdTest, AnOldIdIsFreeAgain) {
  const Gateway gateway(pgbouncer_->Url(), {"--request_retention=1h"});
  ASSERT_EQ(Reason(gateway.Client().Execute(Order("tea"), With("a"))), "ok");
  Direct().Run("UPDATE sluice.requests SET done_at = done_at - interval '59 minutes'");
  EXPECT_TRUE(IsReplayed(gateway.Client().Execute(Order("tea"), With("a"))));
  Direct().Run("UPDATE sluice.requests SET done_at = done_at - interval '1 minute'");
  const absl::StatusOr<client::Result> again = gateway.Client().Execute(Order("milk"), With("a"));
  EXPECT_TRUE(again.ok() && !IsReplayed(again)) << again.status();
  EXPECT_EQ(Orders(), "milk tea");
}

// More than one sweep takes; by a gateway that does not need them itself.
TEST_F(RequestIdTest, OldEntriesGoByThemselves) {
  Direct().Run(
      "INSERT INTO sluice.requests SELECT 'anonymous', 'old ' || i, '', '', 0, now() - interval '11 minutes' FROM "
      "generate_series(1, 2500) i; INSERT INTO sluice.requests VALUES ('anonymous', 'young', '', '', 0, now())");
  const Gateway gateway(pgbouncer_->Url());
  ASSERT_EQ(Reason(gateway.Client().Execute(Order("tea"), With("a"))), "ok");
  EXPECT_TRUE(Eventually([this] { return Entries() == "2"; })) << Entries();
}

TEST_F(RequestIdTest, WithoutItsTableNothingIsDone) {
  Direct().Run("DROP TABLE sluice.requests");
  const absl::Status no_table = db().Execute(Order("tea"), With("a")).status();
  EXPECT_EQ(ReasonOf(no_table), "LEDGER_UNAVAILABLE");
  EXPECT_TRUE(absl::StrContains(no_table.message(), "sluice setup")) << no_table;
  Direct().Run("DROP SCHEMA sluice");
  EXPECT_EQ(Reason(db().Execute(Order("tea"), With("a"))), "LEDGER_UNAVAILABLE");
  EXPECT_EQ(Orders(), "");
  EXPECT_EQ(Reason(db().Execute("SELECT 1")), "ok");
}

TEST_F(RequestIdTest, SetupIsForTheRoleThatIsNamed) {
  Direct().Run(
      "DROP ROLE IF EXISTS \"Poor app\"; CREATE ROLE \"Poor app\" LOGIN; GRANT ALL ON orders, orders_id_seq TO \"Poor "
      "app\"");
  std::string url = postgres_->Url();
  url.replace(url.find("postgres@"), 8, "Poor%20app");
  const Gateway gateway(url);
  const absl::Status refused = gateway.Client().Execute(Order("tea"), With("a")).status();
  EXPECT_EQ(ReasonOf(refused), "LEDGER_UNAVAILABLE");
  EXPECT_EQ(FactsOf(refused).metadata["sqlstate"], "42501");
  // Some of the rights are not enough.
  Direct().Run("GRANT USAGE ON SCHEMA sluice TO \"Poor app\"; GRANT SELECT ON sluice.requests TO \"Poor app\"");
  const Ended poor = RunSluice({"setup", "--database_url", url});
  EXPECT_EQ(poor.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(poor.output, "--role")) << poor.output;
  const Ended again = RunSluice({"setup", "--role", "Poor app", postgres_->Url()});
  EXPECT_EQ(again.output, "sluice.requests was there already; nothing was made, what the role needs was granted.\n");
  EXPECT_EQ(Reason(gateway.Client().Execute(Order("tea"), With("a"))), "ok");
  EXPECT_TRUE(IsReplayed(gateway.Client().Execute(Order("tea"), With("a"))));
  Direct().Run("DROP OWNED BY \"Poor app\"; DROP ROLE \"Poor app\"");
}

// For whoever may run it, and the one that has the gateway may not.
TEST_F(RequestIdTest, SetupPrintsWhatItWouldDo) {
  Direct().Run("DROP SCHEMA sluice CASCADE");
  const Ended script = RunSluice({"setup", "--print", "--role", "postgres"});
  EXPECT_EQ(script.exit_code, 0);
  Direct().Run(script.output);
  Direct().Run(script.output);
  EXPECT_EQ(Reason(db().Execute(Order("tea"), With("a"))), "ok");
  EXPECT_EQ(RunSluice({"setup", "--database_url="}).exit_code, 2);
  EXPECT_EQ(RunSluice({"setup", "postgresql://nobody@/x?host=/nowhere"}).exit_code, 1);
  EXPECT_EQ(RunSluice({"setup", "--role", "nobody", postgres_->Url()}).exit_code, 1);
}

TEST_F(RequestIdTest, OfTheCommandLineToo) {
  for (int i = 0; i < 2; ++i) {
    const Ended ended = RunSluice({"query", "--request_id=7", "--csv", "INSERT INTO orders (item) VALUES ('cli')"},
                                  gateway_->address());
    EXPECT_EQ(ended.exit_code, 0) << ended.output;
  }
  EXPECT_EQ(Orders(), "cli");
}

// The role is that of the work, and the ledger the gateway's; what is looked at in the commit is the role's work again.
TEST_F(RequestIdTest, TheWorkRunsAsItsIdentity) {
  Direct().Run(
      "DROP ROLE IF EXISTS clerk; CREATE ROLE clerk; GRANT ALL ON orders, orders_id_seq TO clerk;"
      "CREATE OR REPLACE FUNCTION sign() RETURNS trigger LANGUAGE plpgsql AS "
      "$$BEGIN UPDATE orders SET item = item || ' by ' || current_user || ' for ' || "
      "current_setting('request.jwt.claims') WHERE id = NEW.id; RETURN NULL; END$$;"
      "CREATE CONSTRAINT TRIGGER signed AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
      "EXECUTE FUNCTION sign()");
  client::CallOptions options = With("a");
  options.identity.emplace();
  options.identity->set_role("clerk");
  options.identity->set_claims_json("{}");
  ASSERT_EQ(Reason(db().Execute(Order("tea"), options)), "ok");
  EXPECT_TRUE(IsReplayed(db().Execute(Order("tea"), options)));
  EXPECT_EQ(Orders(), "tea by clerk for {}");
  EXPECT_EQ(Reason(db().Execute(Order("tea"), With("a"))), "REQUEST_ID_REUSED");
  const absl::Status forbidden = db().Execute(Statement("SELECT * FROM sluice.requests"),
                                              [&] {
                                                client::CallOptions spy = options;
                                                spy.request_id = "b";
                                                return spy;
                                              }())
                                     .status();
  EXPECT_EQ(ReasonOf(forbidden), "INSUFFICIENT_PRIVILEGE");
  options.identity->set_role("nobody");
  options.request_id = "c";
  EXPECT_EQ(Reason(db().Execute(Order("tea"), options)), "IDENTITY_REFUSED");
  Direct().Run("DROP TRIGGER signed ON orders; DROP OWNED BY clerk; DROP ROLE clerk");
}

TEST_F(RequestIdTest, WhatCanNotBeDoneOnceIsRefused) {
  const auto field = [](const absl::Status& status) { return FactsOf(status).metadata["field"]; };
  EXPECT_EQ(field(db().ExecuteIndependent({Order("tea")}, With("a")).status()), "options.request_id");
  client::RowStream stream = db().Stream(Order("tea"), With("a"));
  EXPECT_FALSE(stream.Next());
  EXPECT_EQ(field(stream.status()), "options.request_id");
  EXPECT_EQ(field(db().CopyIn(client::Table("orders"), {}, With("a")).Commit().status()), "options.request_id");
  EXPECT_EQ(field(db().Describe(Order("tea"), false, With("a")).status()), "options.request_id");
  EXPECT_EQ(Reason(db().Execute(Statement("VACUUM orders"), With("a"))), "ACTIVE_SQL_TRANSACTION");
  EXPECT_EQ(field(db().Execute(Order("tea"), With(std::string(201, 'x'))).status()), "options.request_id");
  EXPECT_EQ(Reason(db().Execute(Order("tea"), With(std::string("a\0b", 3)))), "INVALID_TEXT");
  EXPECT_EQ(Reason(db().Execute(Order("odd"), With("'; DROP TABLE orders; --\\"))), "ok");
  EXPECT_TRUE(IsReplayed(db().Execute(Order("odd"), With("'; DROP TABLE orders; --\\"))));
  EXPECT_EQ(Orders(), "odd");
}

TEST_F(RequestIdTest, AReadNeedsNone) {
  Direct().Run("DROP SCHEMA sluice CASCADE");
  client::CallOptions options = With("a");
  options.read_only = true;
  const absl::StatusOr<client::Result> read = db().Execute(Statement("SELECT 1"), options);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->info().round_trips(), 1);
}

// What is lost on the way is found in the ledger, by the gateway itself.
TEST_F(RequestIdTest, ACommitWhoseAnswerIsLostIsFound) {
  FaultProxy proxy(pgbouncer_->directory() + "/.s.PGSQL.6432");
  const Gateway gateway(proxy.Url());
  const client::Database db = Once(gateway);
  ASSERT_EQ(Reason(db.Execute("SELECT 1")), "ok");
  proxy.CutBefore(Way::kToClient, "COMMIT");
  const absl::StatusOr<client::Result> result = db.Execute(Order("tea"), With("a"));
  EXPECT_TRUE(IsReplayed(result)) << result.status();
  EXPECT_EQ(result->info().attempts(), 2);
  EXPECT_EQ(Orders(), "tea");
}

TEST_F(RequestIdTest, WorkThatIsLostIsDoneAgain) {
  FaultProxy proxy(pgbouncer_->directory() + "/.s.PGSQL.6432");
  const Gateway gateway(proxy.Url());
  const client::Database db = Once(gateway);
  for (const auto& [way, text] : {std::pair(Way::kToServer, "INSERT INTO orders"), std::pair(Way::kToClient, "INSERT"),
                                  std::pair(Way::kToServer, "COMMIT")}) {
    ASSERT_EQ(Reason(db.Execute("SELECT 1")), "ok");
    proxy.CutBefore(way, text);
    const absl::StatusOr<client::Result> result =
        db.Execute(Order("tea"), With(absl::StrCat(text, static_cast<int>(way))));
    EXPECT_TRUE(result.ok() && !IsReplayed(result)) << text << result.status();
    if (!result.ok()) continue;
    EXPECT_EQ(result->info().attempts(), 2) << text;
    // Of the last try alone; and kept so.
    EXPECT_EQ(result->size(), 1u) << text;
    EXPECT_EQ(result->proto().columns_size(), 3) << text;
  }
  EXPECT_EQ(Orders(), "tea tea tea");
}

// When nobody can say any more, nobody does.
TEST_F(RequestIdTest, WhatIsNeverFoundOutIsUnknown) {
  FaultProxy proxy(postgres_->socket_directory() + "/.s.PGSQL.5432");
  const Gateway gateway(proxy.Url());
  const client::Database db = Once(gateway);
  ASSERT_EQ(Reason(db.Execute("SELECT 1")), "ok");
  proxy.HoldFrom(Way::kToClient, "COMMIT");
  client::CallOptions options = With("a");
  options.timeout = absl::Seconds(1);
  const absl::Status told = db.Execute(Order("tea"), options).status();
  EXPECT_EQ(OutcomeOf(told), v1::OUTCOME_UNKNOWN) << told;
  proxy.Release(Way::kToClient);
  EXPECT_TRUE(IsReplayed(db.Execute(Order("tea"), With("a"))));
  EXPECT_EQ(Orders(), "tea");
}

TEST_F(RequestIdTest, ALostCommitIsNotForgottenWhileTheDatabaseIsAway) {
  FaultProxy proxy(postgres_->socket_directory() + "/.s.PGSQL.5432");
  const Gateway gateway(proxy.Url(), {"--pool_size=1", "--connect_timeout=200ms"});
  const client::Database db = Once(gateway);
  ASSERT_EQ(Reason(db.Execute("SELECT 1")), "ok");
  proxy.HoldFrom(Way::kToClient, "COMMIT");
  client::CallOptions options = With("a");
  options.timeout = absl::Seconds(2);
  auto call = std::async(std::launch::async, [&] { return db.Execute(Order("tea"), options); });
  ASSERT_TRUE(Eventually([&] { return proxy.held_bytes(Way::kToClient) > 0; }));
  proxy.CutAll();
  const absl::Status told = call.get().status();
  EXPECT_EQ(OutcomeOf(told), v1::OUTCOME_UNKNOWN) << told;
  proxy.Release(Way::kToClient);
  EXPECT_EQ(Orders(), "tea");
}

// The client's library asks the other gateway, as it may.
TEST_F(RequestIdTest, AGatewayThatIsKilledLosesNothing) {
  FaultProxy networks[] = {FaultProxy(postgres_->socket_directory() + "/.s.PGSQL.5432"),
                           FaultProxy(postgres_->socket_directory() + "/.s.PGSQL.5432")};
  Gateway gateways[] = {Gateway(networks[0].Url(), {"--listen=127.0.0.1:0"}),
                        Gateway(networks[1].Url(), {"--listen=127.0.0.1:0"})};
  for (const Gateway& gateway : gateways) ASSERT_TRUE(gateway.AwaitReady());
  const client::Database db =
      *client::Database::Open(absl::StrCat("ipv4:", gateways[0].address(), ",", gateways[1].address()));
  for (FaultProxy& network : networks) network.HoldFrom(Way::kToClient, "COMMIT");
  auto call = std::async(std::launch::async, [&] { return db.Execute(Order("tea"), With("a")); });
  const auto holds = [&](int i) { return networks[i].held_bytes(Way::kToClient) > 0; };
  ASSERT_TRUE(Eventually([&] { return holds(0) || holds(1); }));
  const int asked = holds(0) ? 0 : 1;
  networks[1 - asked].Release(Way::kToClient);
  gateways[asked].process().Signal(SIGKILL);
  const absl::StatusOr<client::Result> result = call.get();
  EXPECT_TRUE(IsReplayed(result)) << result.status();
  EXPECT_EQ(Orders(), "tea");
}

// Who asks while the first try still runs waits for it, as long as it has time.
TEST_F(RequestIdTest, ASecondTryWaitsForTheFirst) {
  Direct().Run("SELECT setval('orders_id_seq', 1)");
  testing_support::Direct blocker(postgres_->ConnectionString());
  blocker.Run("BEGIN; LOCK TABLE orders");
  auto first = std::async(std::launch::async, [&] { return db().Execute(Order("tea"), With("a")); });
  ASSERT_TRUE(Eventually([this] {
    return Direct().Value("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass") == "1";
  }));
  client::CallOptions hasty = With("a");
  hasty.timeout = absl::Seconds(1);
  const absl::Status late = db().Execute(Order("tea"), hasty).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded) << late;
  // It waited for somebody who may do it.
  EXPECT_EQ(OutcomeOf(late), v1::OUTCOME_UNKNOWN);
  auto second = std::async(std::launch::async, [&] { return db().Execute(Order("tea"), With("a")); });
  ASSERT_TRUE(Eventually([this] {
    return Direct().Value("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'") == "1";
  }));
  blocker.Run("COMMIT");
  EXPECT_EQ(Reason(first.get()), "ok");
  EXPECT_TRUE(IsReplayed(second.get()));
  EXPECT_EQ(Orders(), "tea");
}

TEST_F(RequestIdTest, ACancelRollsBackAndFreesTheId) {
  testing_support::Direct blocker(postgres_->ConnectionString());
  blocker.Run("BEGIN; LOCK TABLE orders");
  // Long enough for the gateway to keep 100 ms of it back for its answer.
  client::CallOptions hasty = With("a");
  hasty.timeout = absl::Seconds(1);
  const absl::Status late = db().Execute(Order("tea"), hasty).status();
  EXPECT_EQ(OutcomeOf(late), v1::OUTCOME_ROLLED_BACK) << late;
  blocker.Run("COMMIT");
  const absl::StatusOr<client::Result> again = db().Execute(Order("tea"), With("a"));
  EXPECT_TRUE(again.ok() && !IsReplayed(again)) << again.status();
  EXPECT_EQ(Orders(), "tea");
}

TEST_F(RequestIdTest, WhereNobodyWritesItMayHaveBeenDoneBefore) {
  ASSERT_EQ(Reason(db().Execute(Order("tea"), With("a"))), "ok");
  Direct().Run(
      "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN SUPERUSER; ALTER ROLE reader SET "
      "default_transaction_read_only = on");
  const Gateway standby_like(postgres_->Url("postgres", "reader"));
  const absl::Status told = standby_like.Client().Execute(Order("tea"), With("a")).status();
  EXPECT_EQ(ReasonOf(told), "READ_ONLY");
  EXPECT_EQ(OutcomeOf(told), v1::OUTCOME_UNKNOWN);
}

// What it refuses the second time it has not done the first time.
TEST_F(RequestIdTest, ARefusalBehindALostCommitIsOne) {
  FaultProxy proxy(postgres_->socket_directory() + "/.s.PGSQL.5432");
  const Gateway gateway(proxy.Url());
  const client::Database db = Once(gateway);
  ASSERT_EQ(Reason(db.Execute(Statement("SELECT 1"), With("look"))), "ok");
  Direct().Run(
      "CREATE SEQUENCE IF NOT EXISTS tries; ALTER SEQUENCE tries RESTART; CREATE OR REPLACE FUNCTION once_only() "
      "RETURNS int LANGUAGE plpgsql AS $$BEGIN IF nextval('tries') > 1 THEN RAISE check_violation; END IF; "
      "RETURN 1; END$$");
  proxy.CutBefore(Way::kToServer, "COMMIT");
  const absl::Status told = db.Execute(Statement("SELECT once_only()"), With("a")).status();
  EXPECT_EQ(ReasonOf(told), "CHECK_VIOLATION") << told;
  EXPECT_EQ(OutcomeOf(told), v1::OUTCOME_ROLLED_BACK);
}

// It would run with the rights of the gateway's login.
TEST_F(RequestIdTest, SomebodyElsesTableIsNotTouched) {
  Direct().Run(
      "DROP SCHEMA sluice CASCADE; DROP ROLE IF EXISTS mallory; CREATE ROLE mallory; GRANT CREATE ON DATABASE postgres "
      "TO "
      "mallory; SET ROLE mallory; CREATE SCHEMA sluice; CREATE TABLE sluice.requests (caller text, id text, "
      "fingerprint "
      "bytea, answer bytea, answer_bytes bigint, done_at timestamptz, PRIMARY KEY (caller, id)); RESET ROLE");
  const Gateway gateway(pgbouncer_->Url());
  const absl::Status told = gateway.Client().Execute(Order("tea"), With("a")).status();
  EXPECT_EQ(ReasonOf(told), "LEDGER_UNAVAILABLE");
  EXPECT_TRUE(absl::StrContains(told.message(), "somebody else")) << told;
  const Ended setup = RunSluice({"setup", "--database_url", pgbouncer_->Url()});
  EXPECT_EQ(setup.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(setup.output, "somebody else")) << setup.output;
  Direct().Run("DROP SCHEMA sluice CASCADE; CREATE SCHEMA sluice; CREATE TABLE sluice.requests (n int)");
  EXPECT_EQ(RunSluice({"setup", "--database_url", pgbouncer_->Url()}).exit_code, 1);
  EXPECT_EQ(Orders(), "");
  Direct().Run("DROP OWNED BY mallory; DROP ROLE mallory");
}

TEST_F(RequestIdTest, WhoTakesTheEntryAwayCommitsNothing) {
  for (const char* harm : {"DELETE FROM sluice.requests", "UPDATE sluice.requests SET caller = caller || ''"}) {
    const absl::Status told = db().ExecuteAtomic({Order("tea"), Statement(harm)}, With("a")).status();
    EXPECT_EQ(ReasonOf(told), "LEDGER_UNAVAILABLE") << harm << told;
    EXPECT_EQ(OutcomeOf(told), v1::OUTCOME_ROLLED_BACK) << harm;
  }
  EXPECT_EQ(Orders(), "");
}

// Also of a type that was made just before, and with no other connection to ask.
TEST_F(RequestIdTest, TheAnswerHasItsTypes) {
  Direct().Run("DROP TYPE IF EXISTS mood CASCADE; CREATE TYPE mood AS ENUM ('fine')");
  const Gateway gateway(postgres_->Url(), {"--pool_size=1"});
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<client::Result> result =
        gateway.Client().Execute(Statement("SELECT 'fine'::mood, ARRAY['fine'::mood]"), With("a"));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->proto().columns(0).type_name(), "mood");
    EXPECT_EQ(result->proto().columns(1).kind(), v1::COLUMN_KIND_ARRAY);
  }
  Direct().Run("DROP TYPE mood");
}

// A syntax error of PostgreSQL's without a place is not the ledger's.
TEST_F(RequestIdTest, ARefusalWithoutAPlaceIsTheStatements) {
  const absl::Status told =
      db().Execute(Statement("SELECT item FROM orders FETCH FIRST 1 ROW WITH TIES"), With("a")).status();
  EXPECT_EQ(ReasonOf(told), "SYNTAX_ERROR") << told;
}

// A gateway that stands still between its two flights: PostgreSQL ends what nobody ends.
TEST_F(RequestIdTest, AGatewayThatVanishesLeavesNothingOpen) {
  FaultProxy proxy(postgres_->socket_directory() + "/.s.PGSQL.5432");
  Gateway gateway(proxy.Url());
  ASSERT_EQ(Reason(gateway.Client().Execute(Statement("SELECT 1"), With("look"))), "ok");
  proxy.HoldFrom(Way::kToServer, "COMMIT");
  client::CallOptions options = With("a");
  options.timeout = absl::Seconds(2);
  auto call = std::async(std::launch::async, [&] { return Once(gateway).Execute(Order("tea"), options); });
  ASSERT_TRUE(Eventually([&] { return proxy.held_bytes(Way::kToServer) > 0; }));
  gateway.process().Signal(SIGSTOP);
  EXPECT_FALSE(call.get().ok());
  EXPECT_TRUE(Eventually([this] {
    return Direct().Value("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == "0";
  }));
  const absl::StatusOr<client::Result> again = db().Execute(Order("tea"), With("a"));
  EXPECT_TRUE(again.ok() && !IsReplayed(again)) << again.status();
  EXPECT_EQ(Orders(), "tea");
  gateway.process().Signal(SIGCONT);
}

// The client's library does not forget a try that was lost on the way, whatever the next one hears.
TEST_F(RequestIdTest, ATryThatMayHaveBeenDoneIsNotForgotten) {
  Gateway gateway(postgres_->Url(), {"--drain_grace=20s"});
  FaultProxy clients_network(gateway.address().substr(std::string("unix:").size()));
  const client::Database db = *client::Database::Open("unix:" + clients_network.socket_path());
  testing_support::Direct blocker(postgres_->ConnectionString());
  blocker.Run("BEGIN; LOCK TABLE orders");
  auto call = std::async(std::launch::async, [&] { return db.Execute(Order("tea"), With("a")); });
  ASSERT_TRUE(Eventually([this] {
    return Direct().Value("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass") == "1";
  }));
  gateway.process().Signal(SIGTERM);
  client::CallOptions briefly;
  briefly.timeout = absl::Milliseconds(100);
  const client::Database newcomer = Once(gateway);
  ASSERT_TRUE(Eventually([&] { return Reason(newcomer.Execute(Statement("SELECT 1"), briefly)) == "DRAINING"; }));
  clients_network.CutAll();
  const absl::Status told = call.get().status();
  // (Whether it hears that the gateway drains, or finds it gone.)
  EXPECT_EQ(told.code(), absl::StatusCode::kUnavailable) << told;
  EXPECT_EQ(client::OutcomeOf(told), v1::OUTCOME_UNKNOWN) << told;
  blocker.Run("COMMIT");
}

// The ledger brings nobody into conflict who would have none without it.
TEST_F(RequestIdTest, TheLedgerMakesNoConflicts) {
  Direct().Run("DROP TABLE IF EXISTS notes; CREATE TABLE notes (n int)");
  std::vector<std::future<int>> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.push_back(std::async(std::launch::async, [caller, this] {
      int attempts = 0;
      for (int i = 0; i < 25; ++i) {
        client::CallOptions options = With(absl::StrCat(caller, "-", i));
        options.transaction.set_isolation(v1::TransactionOptions::SERIALIZABLE);
        const absl::StatusOr<client::Result> result =
            gateway_->Client().Execute(Statement("INSERT INTO notes VALUES ($1)", i), options);
        EXPECT_TRUE(result.ok()) << result.status();
        if (result.ok()) attempts += result->info().attempts();
      }
      return attempts;
    }));
  }
  int attempts = 0;
  for (std::future<int>& caller : callers) attempts += caller.get();
  EXPECT_EQ(attempts, 200);
  EXPECT_EQ(Entries(), "200");
}

}  // namespace
}  // namespace sluice
