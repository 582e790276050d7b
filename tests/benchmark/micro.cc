// What the gateway's own work costs, piece by piece, without gRPC and PostgreSQL:
//   bazel run --config=bench //tests/benchmark:micro

#include <benchmark/benchmark.h>
#include <libpq-fe.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/admission/line.h"
#include "server/codec/bind.h"
#include "server/codec/column_type.h"
#include "server/codec/encode.h"
#include "server/observe/metrics.h"
#include "server/postgres/result.h"
#include "server/sql/statement_book.h"

namespace sluice {
namespace {

// 200 bytes and three parameters, as services send them.
v1::Statement OrdinaryStatement() {
  v1::Statement statement;
  statement.set_sql(
      "SELECT o.id, o.placed_at, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id "
      "WHERE o.customer_id = $1 AND o.state = $2 AND o.placed_at >= $3 ORDER BY o.placed_at DESC LIMIT 20");
  statement.add_params()->set_int64_value(123456);
  statement.add_params()->set_text_value("shipped");
  statement.add_params()->mutable_timestamp_value()->set_seconds(1790000000);
  return statement;
}

void BindAnOrdinaryStatement(benchmark::State& state) {
  const v1::Statement statement = OrdinaryStatement();
  sql::StatementBook book;
  for (auto _ : state) benchmark::DoNotOptimize(codec::Bind(statement, codec::BindLimits(), &book));
}
BENCHMARK(BindAnOrdinaryStatement);

void BindAStatementForTheFirstTime(benchmark::State& state) {
  const v1::Statement statement = OrdinaryStatement();
  for (auto _ : state) {
    sql::StatementBook book;
    benchmark::DoNotOptimize(codec::Bind(statement, codec::BindLimits(), &book));
  }
}
BENCHMARK(BindAStatementForTheFirstTime);

void BindALongText(benchmark::State& state) {
  v1::Statement statement;
  statement.set_sql("SELECT length($1)");
  statement.add_params()->set_text_value(std::string(static_cast<size_t>(state.range(0)), 'x'));
  sql::StatementBook book;
  for (auto _ : state) benchmark::DoNotOptimize(codec::Bind(statement, codec::BindLimits(), &book));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BindALongText)->Range(1 << 10, 1 << 20);

// int8, text, timestamptz, numeric, bool
postgres::Result Rows(int count) {
  constexpr struct {
    const char* name;
    Oid oid;
    const char* value;
  } kColumns[] = {{"id", 20, "1234567"},
                  {"name", 25, "Ada Lovelace"},
                  {"at", 1184, "2026-08-22 13:05:01.25+00"},
                  {"total", 1700, "1234.50"},
                  {"paid", 16, "t"}};
  PGresult* result = PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK);
  std::vector<PGresAttDesc> attributes;
  for (const auto& column : kColumns) {
    PGresAttDesc attribute = {};
    attribute.name = const_cast<char*>(column.name);
    attribute.typid = column.oid;
    attribute.atttypmod = -1;
    attributes.push_back(attribute);
  }
  PQsetResultAttrs(result, static_cast<int>(attributes.size()), attributes.data());
  for (int row = 0; row < count; ++row) {
    for (int c = 0; c < static_cast<int>(attributes.size()); ++c) {
      const std::string value = kColumns[c].value;
      PQsetvalue(result, row, c, const_cast<char*>(value.c_str()), static_cast<int>(value.size()));
    }
  }
  return postgres::Result(result);
}

void EncodeRows(benchmark::State& state) {
  const postgres::Result rows = Rows(static_cast<int>(state.range(0)));
  std::vector<codec::ColumnType> types;
  for (int i = 0; i < rows.column_count(); ++i) {
    types.push_back(*codec::BuiltInColumnType(rows.column(i).type_oid, rows.column(i).type_modifier));
  }
  for (auto _ : state) {
    v1::ResultSet out;
    codec::Encode(rows, types, codec::EncodeOptions(), &out);
    benchmark::DoNotOptimize(out.ByteSizeLong());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(EncodeRows)->Arg(1)->Arg(100)->Arg(1000);

class NobodyWaits : public admission::Waiter {
 public:
  const std::string& caller() const override { return caller_; }
  size_t bytes() const override { return 1000; }
  absl::Time deadline() const override { return deadline_; }
  bool Serve(postgres::Connection&) override { return true; }
  void Refuse(const absl::Status&) override {}

 private:
  const std::string caller_ = "checkout";
  const absl::Time deadline_ = absl::Now() + absl::Hours(1);
};

// With so many others in the Line: the cost of a call must not grow with them.
void JoinAndTake(benchmark::State& state) {
  admission::Line line((admission::Line::Options()));
  std::vector<std::shared_ptr<NobodyWaits>> others;
  for (int i = 0; i < state.range(0); ++i) {
    others.push_back(std::make_shared<NobodyWaits>());
    (void)line.Join(others.back());
  }
  for (auto _ : state) {
    (void)line.Join(std::make_shared<NobodyWaits>());
    benchmark::DoNotOptimize(line.Next(absl::InfinitePast(), absl::InfiniteDuration()).size());
  }
}
BENCHMARK(JoinAndTake)->Arg(0)->Arg(64)->Arg(4000);

// What metrics cost a call with one flight.
void CountACall(benchmark::State& state) {
  observe::Metrics metrics;
  observe::FlightEnded flight;
  flight.statements = 1;
  flight.commands = {"SELECT"};
  flight.took = absl::Milliseconds(1);
  observe::CallFinished call;
  call.method = "Execute";
  call.round_trips = 1;
  call.took = call.database_time = absl::Milliseconds(1);
  for (auto _ : state) {
    metrics.Record(flight);
    metrics.Record(call);
  }
}
BENCHMARK(CountACall);

}  // namespace
}  // namespace sluice
