#include "tests/benchmark/workload.h"

#include "absl/strings/str_cat.h"

namespace sluice::benchmark {
namespace {

void SetStatement(const char* sql, int id, v1::Statement* statement) {
  statement->set_sql(sql);
  statement->add_params()->set_int32_value(id);
}

template <const char* const& sql>
void One(int id, v1::ExecuteRequest* request) {
  SetStatement(sql, id, request->mutable_statement());
}

constexpr const char* kPoint = "SELECT balance FROM accounts WHERE id = $1";
constexpr const char* kUpdate = "UPDATE accounts SET balance = balance + 1 WHERE id = $1";
constexpr const char* kRange100 =
    "SELECT id, balance, filler FROM accounts WHERE id BETWEEN $1 % 90000 + 1 AND $1 % 90000 + 100";
constexpr const char* kRange1000 =
    "SELECT id, balance, filler FROM accounts WHERE id BETWEEN $1 % 90000 + 1 AND $1 % 90000 + 1000";

void SelectOne(int, v1::ExecuteRequest* request) { request->mutable_statement()->set_sql("SELECT 1"); }

void Sleep(int, v1::ExecuteRequest* request) { request->mutable_statement()->set_sql("SELECT pg_sleep(0.002)"); }

// A row that row-level security shows to its owner only.
void RowLevelSecurity(int id, v1::ExecuteRequest* request) {
  SetStatement("SELECT body FROM docs WHERE id = $1", id, request->mutable_statement());
  v1::Identity* identity = request->mutable_options()->mutable_identity();
  identity->set_role("app_user");
  identity->set_claims_json(absl::StrCat("{\"sub\": \"owner ", id % 100, "\"}"));
}

void TenUpdates(int id, v1::ExecuteBatchRequest* request) {
  // In the order of their ids, so that two never wait for each other.
  for (int i = 0; i < 10; ++i) SetStatement(kUpdate, (id % (kAccounts - 10)) + i + 1, request->add_statements());
}

// What pgbench calls TPC-B.
void TpcB(int id, v1::ExecuteBatchRequest* request) {
  SetStatement(kUpdate, id, request->add_statements());
  SetStatement(kPoint, id, request->add_statements());
  SetStatement("UPDATE tellers SET balance = balance + 1 WHERE id = $1 % 1000 + 1", id, request->add_statements());
  SetStatement("UPDATE branches SET balance = balance + 1 WHERE id = $1 % 100 + 1", id, request->add_statements());
  SetStatement("INSERT INTO history (account, at) VALUES ($1, now())", id, request->add_statements());
}

}  // namespace

const std::vector<Workload>& Workloads() {
  static const auto& workloads = *new std::vector<Workload>{
      {"select1", SelectOne, nullptr, 1, "SELECT 1;\n", "SELECT 1"},
      {"sleep2ms", Sleep, nullptr, 1, "SELECT pg_sleep(0.002);\n", "SELECT pg_sleep(0.002)"},
      {"point", One<kPoint>, nullptr, 1, "SELECT balance FROM accounts WHERE id = :id;\n", kPoint},
      // All in one message, which is the best that a client can do.
      {"rls", RowLevelSecurity, nullptr, 1,
       "BEGIN\\; SELECT set_config('role', 'app_user', true), set_config('request.jwt.claims', '{\"sub\": \"owner ' || "
       "(:id % 100) || '\"}', true)\\; SELECT body FROM docs WHERE id = :id\\; COMMIT;\n",
       nullptr},
      {"write", One<kUpdate>, nullptr, 0, "UPDATE accounts SET balance = balance + 1 WHERE id = :id;\n", kUpdate},
      {"batch10", nullptr, TenUpdates, 0,
       "\\set b :id % 99990\nBEGIN\\; UPDATE accounts SET balance = balance + 1 WHERE id = :b + 1\\; UPDATE accounts "
       "SET "
       "balance = balance + 1 WHERE id = :b + 2\\; UPDATE accounts SET balance = balance + 1 WHERE id = :b + 3\\; "
       "UPDATE "
       "accounts SET balance = balance + 1 WHERE id = :b + 4\\; UPDATE accounts SET balance = balance + 1 WHERE id = "
       ":b + "
       "5\\; UPDATE accounts SET balance = balance + 1 WHERE id = :b + 6\\; UPDATE accounts SET balance = balance + 1 "
       "WHERE id = :b + 7\\; UPDATE accounts SET balance = balance + 1 WHERE id = :b + 8\\; UPDATE accounts SET "
       "balance = "
       "balance + 1 WHERE id = :b + 9\\; UPDATE accounts SET balance = balance + 1 WHERE id = :b + 10\\; COMMIT;\n",
       nullptr},
      // One statement after the other, as clients do it.
      {"tpcb", nullptr, TpcB, 0,
       "BEGIN;\nUPDATE accounts SET balance = balance + 1 WHERE id = :id;\nSELECT balance FROM accounts WHERE id = "
       ":id;\nUPDATE tellers SET balance = balance + 1 WHERE id = :id % 1000 + 1;\nUPDATE branches SET balance = "
       "balance "
       "+ 1 WHERE id = :id % 100 + 1;\nINSERT INTO history (account, at) VALUES (:id, now());\nCOMMIT;\n",
       nullptr},
      {"rows100", One<kRange100>, nullptr, 100,
       "SELECT id, balance, filler FROM accounts WHERE id BETWEEN :id % 90000 + 1 AND :id % 90000 + 100;\n", kRange100},
      {"rows1000", One<kRange1000>, nullptr, 1000,
       "SELECT id, balance, filler FROM accounts WHERE id BETWEEN :id % 90000 + 1 AND :id % 90000 + 1000;\n",
       kRange1000}};
  return workloads;
}

const Workload* FindWorkload(const std::string& name) {
  for (const Workload& workload : Workloads()) {
    if (name == workload.name) return &workload;
  }
  return nullptr;
}

std::vector<std::string> Schema() {
  return {absl::StrCat("CREATE TABLE accounts AS SELECT i AS id, 0 AS balance, repeat('x', 60) AS filler FROM "
                       "generate_series(1, ",
                       kAccounts, ") i"),
          "ALTER TABLE accounts ADD PRIMARY KEY (id)",
          "CREATE TABLE tellers AS SELECT i AS id, 0 AS balance FROM generate_series(1, 1000) i",
          "ALTER TABLE tellers ADD PRIMARY KEY (id)",
          "CREATE TABLE branches AS SELECT i AS id, 0 AS balance FROM generate_series(1, 100) i",
          "ALTER TABLE branches ADD PRIMARY KEY (id)",
          "CREATE TABLE history (account int, at timestamptz)",
          absl::StrCat("CREATE TABLE docs AS SELECT i AS id, 'owner ' || i % 100 AS owner, 'body ' || i AS body FROM "
                       "generate_series(1, ",
                       kAccounts, ") i"),
          "ALTER TABLE docs ADD PRIMARY KEY (id)",
          "ALTER TABLE docs ENABLE ROW LEVEL SECURITY",
          "CREATE ROLE app_user NOLOGIN",
          "GRANT SELECT ON docs TO app_user",
          "CREATE POLICY own ON docs USING (owner = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub'))",
          "VACUUM ANALYZE"};
}

}  // namespace sluice::benchmark
