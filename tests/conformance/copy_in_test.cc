// CopyIn: what a client sends is committed when it says that it was all, and never otherwise; and whatever goes wrong
// is told, with its line, on a connection that stays good.

#include <grpcpp/create_channel.h>
#include <poll.h>
#include <signal.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "sluice/v1/database.grpc.pb.h"
#include "tests/conformance/copying.h"
#include "tests/support/fault_proxy.h"

namespace sluice {
namespace {

using client::Table;
using testing_support::FaultProxy;
using testing_support::Gateway;

// As a generated client has it.
class RawCopy {
 public:
  explicit RawCopy(const Gateway& gateway, const std::string& token = "")
      : stub_(v1::Database::NewStub(grpc::CreateChannel(gateway.address(), grpc::InsecureChannelCredentials()))) {
    if (!token.empty()) context_.AddMetadata("authorization", "Bearer " + token);
    stream_ = stub_->CopyIn(&context_, &response_);
  }

  void Header(const v1::CopyTable& table, const std::vector<v1::ColumnKind>& kinds = {}) {
    v1::CopyInRequest request;
    *request.mutable_header()->mutable_table() = table;
    for (const v1::ColumnKind kind : kinds) request.mutable_header()->add_kinds(kind);
    stream_->Write(request);
  }
  void Data(const std::string& data) {
    v1::CopyInRequest request;
    request.set_data(data);
    stream_->Write(request);
  }
  void Rows(const v1::RowBatch& rows) {
    v1::CopyInRequest request;
    *request.mutable_rows() = rows;
    stream_->Write(request);
  }
  void Empty() { stream_->Write(v1::CopyInRequest()); }
  void Cancel() { context_.TryCancel(); }
  grpc::Status End() {
    stream_->WritesDone();
    return stream_->Finish();
  }
  // Without an end of ours.
  grpc::Status Await() { return stream_->Finish(); }
  const v1::CopyInResponse& response() const { return response_; }

 private:
  grpc::ClientContext context_;
  v1::CopyInResponse response_;
  std::unique_ptr<v1::Database::Stub> stub_;
  std::unique_ptr<grpc::ClientWriter<v1::CopyInRequest>> stream_;
};

bool Says(const grpc::Status& status, const std::string& word) {
  return absl::StrContains(status.error_details(), word) || absl::StrContains(status.error_message(), word);
}

TEST_F(CopyTest, WhatIsSentIsThereWhenItIsCommitted) {
  client::CopyWriter copy = db().CopyIn(Table("events", {"id", "name"}));
  ASSERT_TRUE(copy.Write("1\tone\n2\tt"));
  ASSERT_TRUE(copy.Write("wo\n"));
  const absl::StatusOr<int64_t> rows = copy.Commit();
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*rows, 2);
  EXPECT_EQ(copy.response().info().round_trips(), 1);
  EXPECT_EQ(Rows(), "1=one 2=two");
}

TEST_F(CopyTest, NothingIsThereBeforeTheHalfClose) {
  RawCopy copy(*gateway_);
  copy.Header(Table("events"));
  copy.Data("1\tone\n2\ttwo\n");
  ASSERT_TRUE(CopyWaits());
  EXPECT_EQ(Rows(), "");
  EXPECT_TRUE(copy.End().ok());
  EXPECT_EQ(copy.response().row_count(), 2);
  EXPECT_EQ(Rows(), "1=one 2=two");
}

TEST_F(CopyTest, NoRowsAreACopyToo) {
  RawCopy copy(*gateway_);
  copy.Header(Table("events"));
  EXPECT_TRUE(copy.End().ok());
  EXPECT_EQ(copy.response().row_count(), 0);
  RawCopy unknown(*gateway_);
  unknown.Header(Table("nowhere"));
  EXPECT_TRUE(Says(unknown.End(), "UNDEFINED_TABLE"));
}

// Each format, from the database to the client and back.
TEST_F(CopyTest, CsvHasTheOptionsThatCsvHas) {
  v1::CopyFormat format = Csv();
  format.set_header(true);
  format.set_delimiter(";");
  format.set_quote("'");
  format.set_null("nil");
  format.add_force_not_null("name");
  ASSERT_TRUE(Load(db().CopyIn(Table("events"), format), "id;name\n1;'a;b'\n2;nil\n").ok());
  EXPECT_EQ(Rows(), "1=a;b 2=nil");

  v1::CopyFormat out = Csv();
  out.set_header(true);
  out.add_force_quote("id");
  const absl::StatusOr<std::string> all = ReadAll(db().CopyOut(Table("events"), out));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(*all, "id,name\n\"1\",a;b\n\"2\",nil\n");
}

// Of every kind, and with NULLs: Execute's rows are CopyIn's.
TEST_F(CopyTest, RowsOfExecuteCanBeCopiedIn) {
  const std::string columns =
      "a bool, b int2, c int8, d numeric, e float8, f text, g bytea, h timestamptz, i timestamp, j date, k time, "
      "l interval, m uuid, n jsonb, o int[], p text[], q float8[], r point, s int[]";
  Direct().Run(absl::StrCat("DROP TABLE IF EXISTS kinds, twins; CREATE TABLE kinds (", columns,
                            "); CREATE TABLE twins (", columns, ")"));
  Direct().Run(
      "INSERT INTO kinds VALUES (true, 1, -9223372036854775808, 12345678901234567890.01, 0.1, "
      "E'tab\\tline\\nback\\\\n', "
      "'\\x00ff5c', '2026-08-22 13:05:01.25+02', '0044-03-15 12:00:00 BC', '0044-03-15 BC', '13:05:01.000001', "
      "'1 year 2 mons -3 days 04:05:06.5', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6', '{\"a\": [1, null]}', '{1,NULL,3}', "
      "E'{\"a b\",NULL,\"q\\\\\"\\\\\\\\\"}', '{0.1,1e300}', '(1,2)', '{{1,2},{3,4}}'), "
      "(NULL, NULL, NULL, 'NaN', 'Infinity', '\\N', '', 'infinity', '-infinity', 'infinity', '24:00', '0', NULL, "
      "'null', "
      "'{}', '{}', '{}', NULL, NULL), (false, -32768, 0, 0.00, '-0', '', '\\x', '1970-01-01 00:00:00+00', "
      "'294000-01-01', '2026-01-01', '00:00', '-1 mons', '00000000-0000-0000-0000-000000000000', '\"x\"', '{-1}', "
      "'{\"\"}', '{NULL}', '(0,0)', '{7}')");
  const absl::StatusOr<client::Result> rows = db().Execute("SELECT * FROM kinds");
  ASSERT_TRUE(rows.ok()) << rows.status();
  std::vector<v1::ColumnKind> kinds;
  for (const v1::Column& column : rows->proto().columns()) kinds.push_back(column.kind());
  RawCopy copy(*gateway_);
  copy.Header(Table("twins"), kinds);
  copy.Rows(rows->proto().rows());
  const grpc::Status end = copy.End();
  ASSERT_TRUE(end.ok()) << end.error_message();
  EXPECT_EQ(copy.response().row_count(), 3);
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM (SELECT x::text FROM kinds x EXCEPT SELECT x::text FROM twins x) d"),
            "0");
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM twins"), "3");
}

TEST_F(CopyTest, CppValuesAreRows) {
  Direct().Run(
      "DROP TABLE IF EXISTS typed; CREATE TABLE typed (id int8, name text, at timestamptz, day date, price "
      "numeric, ok bool, half float8, raw bytea)");
  auto rows = db().CopyRows<int64_t, std::optional<std::string>, absl::Time, absl::CivilDay, client::Numeric, bool,
                            double, client::Bytes>(Table("typed"));
  for (int64_t i = 0; i < 2500; ++i) {
    ASSERT_TRUE(rows.Write(i, i % 2 == 0 ? std::optional<std::string>("n") : std::nullopt, absl::FromUnixMicros(1),
                           absl::CivilDay(2026, 8, 22), client::Numeric{"1.10"}, true, 0.5,
                           client::Bytes{std::string("\0\\", 2)}));
  }
  const absl::StatusOr<int64_t> count = rows.Commit();
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(*count, 2500);
  EXPECT_EQ(Direct().Value("SET timezone = UTC; SELECT count(*) FROM typed WHERE (name = 'n') IS NOT DISTINCT FROM "
                           "CASE WHEN id % 2 = 0 THEN true END AND at = '1970-01-01 00:00:00.000001+00' AND day = "
                           "'2026-08-22' AND price::text = '1.10' AND ok AND half = 0.5 AND raw = '\\x005c'"),
            "2500");
}

TEST_F(CopyTest, NamesAreQuotedWhateverTheyAre) {
  Direct().Run(
      "DROP SCHEMA IF EXISTS \"Odd.One\" CASCADE; CREATE SCHEMA \"Odd.One\"; CREATE TABLE "
      "\"Odd.One\".\"t\"\"; DROP TABLE events; --\" (\"A b\" int, \"c\"\"\" int)");
  v1::CopyTable table = Table("t\"; DROP TABLE events; --", {"c\"", "A b"});
  table.set_schema("Odd.One");
  const absl::StatusOr<int64_t> rows = Load(db().CopyIn(table), "1\t2\n");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*ReadAll(db().CopyOut(table)), "1\t2\n");
  // Not folded.
  EXPECT_EQ(Reason(Load(db().CopyIn(Table("EVENTS")), "")), "UNDEFINED_TABLE");
  EXPECT_EQ(Rows(), "");
}

TEST_F(CopyTest, ABadRowIsNamedAndNothingIsKept) {
  const absl::StatusOr<int64_t> text = Load(db().CopyIn(Table("events")), "1\tone\n2\ttwo\nx\tthree\n");
  EXPECT_EQ(Reason(text), "INVALID_TEXT_REPRESENTATION");
  EXPECT_EQ(LineOf(text.status()), "3");
  EXPECT_TRUE(absl::StrContains(text.status().message(), "line 3")) << text.status();
  EXPECT_EQ(OutcomeOf(text.status()), v1::OUTCOME_ROLLED_BACK);

  v1::CopyFormat with_header = Csv();
  with_header.set_header(true);
  const absl::StatusOr<int64_t> csv = Load(db().CopyIn(Table("events"), with_header), "id,name\n1,a\n1,b\n");
  EXPECT_EQ(Reason(csv), "UNIQUE_VIOLATION");
  EXPECT_EQ(LineOf(csv.status()), "3");

  auto rows = db().CopyRows<int32_t, std::string>(Table("events"));
  for (const int id : {1, 2, 3, 2}) rows.Write(id, "n");
  const absl::StatusOr<int64_t> typed = rows.Commit();
  EXPECT_EQ(Reason(typed), "UNIQUE_VIOLATION");
  EXPECT_EQ(LineOf(typed.status()), "4");

  EXPECT_EQ(Reason(Load(db().CopyIn(Table("events")), "1\tone\tand more\n")), "BAD_COPY_FILE_FORMAT");
  EXPECT_EQ(Rows(), "");
}

// Also behind notices, and of a client that says nothing more.
TEST_F(CopyTest, ABadRowBehindANoticeIsTheError) {
  Direct().Run(
      "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'row %', NEW.id; "
      "IF NEW.id = 2 THEN RAISE EXCEPTION 'no' USING ERRCODE = '23514'; END IF; RETURN NEW; END $$; CREATE TRIGGER "
      "refuse "
      "BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()");
  Gateway gateway(pgbouncer_->Url(), {"--stream_stall_max=1s"});
  RawCopy copy(gateway);
  copy.Header(Table("events"));
  copy.Data("1\tone\n2\ttwo\n3\tthree\n");
  const grpc::Status end = copy.Await();
  EXPECT_TRUE(Says(end, "CHECK_VIOLATION")) << end.error_message();
  gateway.Drain();
}

// One byte of a timestamp is twenty of text: a message is written out piece by piece.
TEST_F(CopyTest, LargeMessagesOfRowsAreWholeRows) {
  Direct().Run("DROP TABLE IF EXISTS times; CREATE TABLE times (id int, at timestamptz)");
  v1::RowBatch rows;
  constexpr int kRows = 200000;
  rows.set_row_count(kRows);
  v1::ColumnData* ids = rows.add_columns();
  v1::ColumnData* times = rows.add_columns();
  for (int i = 0; i < kRows; ++i) {
    ids->add_int32s(i);
    times->add_int64s(i);
  }
  RawCopy copy(*gateway_);
  copy.Header(Table("times"), {v1::COLUMN_KIND_INT32, v1::COLUMN_KIND_TIMESTAMPTZ});
  copy.Rows(rows);
  copy.Rows(rows);
  const grpc::Status end = copy.End();
  ASSERT_TRUE(end.ok()) << end.error_message();
  EXPECT_EQ(
      Direct().Value("SELECT count(*) FROM times WHERE at = '1970-01-01 00:00:00+00'::timestamptz + id * interval "
                     "'1 microsecond'"),
      absl::StrCat(2 * kRows));
}

TEST_F(CopyTest, RowsOfAnySizeMakeMessages) {
  auto rows = db().CopyRows<int32_t, std::string>(Table("events"));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(rows.Write(i, std::string(100000, 'x')));
  const absl::StatusOr<int64_t> count = rows.Commit();
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(*count, 100);
}

// A first message that is refused, at the very moment at which it has waited too long.
TEST_F(CopyTest, ARefusedHeaderAtTheLastMomentEndsOnce) {
  const auto stub = v1::Database::NewStub(grpc::CreateChannel(gateway_->address(), grpc::InsecureChannelCredentials()));
  std::vector<std::future<bool>> calls;
  for (int i = 0; i < 100; ++i) {
    calls.push_back(std::async(std::launch::async, [&stub, i] {
      // Headers and message are sent one after the other; between them passes the opening's limit, a little more or
      // less.
      grpc::ClientContext context;
      v1::CopyInResponse response;
      const auto stream = stub->CopyIn(&context, &response);
      v1::CopyInRequest header;
      header.mutable_header()->mutable_table()->set_table("a.b.c");
      poll(nullptr, 0, 4990 + i / 5);
      stream->Write(header);
      return stream->Finish().ok();
    }));
  }
  for (std::future<bool>& call : calls) EXPECT_FALSE(call.get());
  EXPECT_TRUE(gateway_->process().IsRunning());
}

// A client that sends gigabytes hears of a bad row before it has sent them all.
TEST_F(CopyTest, ABadRowEndsALargeCopyEarly) {
  client::CopyWriter copy = db().CopyIn(Table("events"));
  ASSERT_TRUE(copy.Write("not a number\tone\n"));
  const std::string rows = std::string(256 << 10, '\n');
  int64_t sent = 0;
  while (sent < int64_t{8} << 30 && copy.Write(rows)) sent += static_cast<int64_t>(rows.size());
  const absl::StatusOr<int64_t> failed = copy.Commit();
  EXPECT_EQ(Reason(failed), "INVALID_TEXT_REPRESENTATION") << failed.status();
  EXPECT_EQ(LineOf(failed.status()), "1");
  EXPECT_LT(sent, int64_t{8} << 30);
}

TEST_F(CopyTest, AWriterThatIsDroppedTakesEverythingBack) {
  {
    client::CopyWriter copy = db().CopyIn(Table("events"));
    copy.Write(std::string("1\tone\n"));
    copy.Write(std::string(256 << 10, '\n'));
  }
  EXPECT_TRUE(NothingIsCopied());
  EXPECT_EQ(Rows(), "");
}

// To a server a client that is gone and one that has said all look alike, for a moment.
TEST_F(CopyTest, AClientThatIsKilledCommitsNothing) {
  Direct().Run("DROP TABLE IF EXISTS lines; CREATE TABLE lines (line text)");
  testing_support::TempDir directory;
  testing_support::Process::Options options;
  options.command = {"tests/support/abandoned_call", gateway_->address(), "copy", "lines", "one\n"};
  options.output_path = directory.File("output");
  for (int i = 0; i < 20; ++i) {
    {
      const testing_support::Process client(options);
      ASSERT_TRUE(CopyWaits()) << i << testing_support::ReadFile(options.output_path) << gateway_->log()
                               << pgbouncer_->log();
    }
    ASSERT_TRUE(NothingIsCopied());
    ASSERT_EQ(Direct().Value("SELECT count(*) FROM lines"), "0");
  }
}

TEST_F(CopyTest, ACancelADeadlineAndSilenceCommitNothing) {
  Gateway gateway(pgbouncer_->Url(), {"--stream_stall_max=1s"});
  {
    RawCopy cancelled(gateway);
    cancelled.Header(Table("events"));
    cancelled.Data("1\tone\n");
    ASSERT_TRUE(CopyWaits());
    cancelled.Cancel();
    EXPECT_EQ(cancelled.Await().error_code(), grpc::StatusCode::CANCELLED);
    EXPECT_TRUE(NothingIsCopied());
  }
  {
    RawCopy silent(gateway);
    silent.Header(Table("events"));
    silent.Data("1\tone\n");
    const grpc::Status end = silent.Await();
    EXPECT_TRUE(Says(end, "SENDER_STALLED")) << end.error_message();
    EXPECT_TRUE(Says(end, "ROLLED_BACK"));
    // It needs no connection before it sends something, but not for ever.
    RawCopy nothing(gateway);
    nothing.Header(Table("events"));
    const grpc::Status never = nothing.Await();
    EXPECT_TRUE(Says(never, "SENDER_STALLED")) << never.error_message();
    EXPECT_TRUE(Says(never, "NOT_STARTED"));
  }
  // A COPY that failed leaves a good connection.
  EXPECT_TRUE(gateway.Logs("NOT_STARTED"));
  EXPECT_FALSE(absl::StrContains(gateway.log(), "connection_discarded")) << gateway.log();
  {
    client::CallOptions brief;
    brief.timeout = absl::Milliseconds(300);
    client::CopyWriter late = gateway.Client().CopyIn(Table("events"), v1::CopyFormat(), brief);
    // Slower than the deadline, and faster than silence would be noticed.
    for (int id = 0; late.Write(absl::StrCat(id, "\t", std::string(256 << 10, 'x'), "\n")); ++id) continue;
    const absl::StatusOr<int64_t> end = late.Commit();
    EXPECT_EQ(end.status().code(), absl::StatusCode::kDeadlineExceeded) << end.status();
    EXPECT_TRUE(NothingIsCopied());
  }
  EXPECT_EQ(Rows(), "");
  gateway.Drain();
}

TEST_F(CopyTest, ADrainCommitsNothing) {
  Gateway gateway(pgbouncer_->Url(), {"--drain_delay=0s", "--drain_grace=100ms"});
  RawCopy open(gateway);
  open.Header(Table("events"));
  open.Data("1\tone\n");
  ASSERT_TRUE(CopyWaits());
  EXPECT_EQ(gateway.Drain(), 0);
  const grpc::Status end = open.Await();
  EXPECT_TRUE(Says(end, "DRAINING")) << end.error_message();
  EXPECT_TRUE(Says(end, "ROLLED_BACK"));
  EXPECT_EQ(Rows(), "");
}

TEST_F(CopyTest, ABackendThatDiesCommitsNothing) {
  for (const bool by_pooler : {false, true}) {
    RawCopy copy(*gateway_);
    copy.Header(Table("events"));
    copy.Data("1\tone\n");
    ASSERT_TRUE(CopyWaits());
    if (by_pooler) {
      pgbouncer_->Stop(SIGTERM);
      pgbouncer_->Start();
    } else {
      Direct().Run(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%COPY%FROM STDIN%' AND "
          "pid <> pg_backend_pid()");
    }
    // Without a word of the client's.
    const grpc::Status end = copy.Await();
    EXPECT_FALSE(end.ok());
    EXPECT_TRUE(Says(end, "ROLLED_BACK")) << end.error_message() << end.error_details();
    EXPECT_EQ(Rows(), "");
    ASSERT_TRUE(gateway_->AwaitReady());
  }
}

TEST_F(CopyTest, ACommitWhoseAnswerIsLostIsUnknown) {
  FaultProxy proxy(pgbouncer_->directory() + "/.s.PGSQL.6432");
  const Gateway gateway(proxy.Url());
  RawCopy copy(gateway);
  copy.Header(Table("events"));
  copy.Data("1\tone\n");
  ASSERT_TRUE(CopyWaits());
  proxy.CutBefore(FaultProxy::Way::kToClient, "COPY 1");
  const grpc::Status end = copy.End();
  EXPECT_TRUE(Says(end, "OUTCOME_UNKNOWN")) << end.error_message();
  EXPECT_TRUE(testing_support::Eventually([this] { return Rows() == "1=one"; }));
}

// What was lost before the end was never committed, so nobody need look.
TEST_F(CopyTest, AConnectionThatIsLostBeforeTheEndIsRolledBack) {
  FaultProxy proxy(pgbouncer_->directory() + "/.s.PGSQL.6432");
  const Gateway gateway(proxy.Url());
  RawCopy copy(gateway);
  copy.Header(Table("events"));
  copy.Data("1\tone\n");
  ASSERT_TRUE(CopyWaits());
  proxy.CutAll();
  EXPECT_TRUE(NothingIsCopied());
  const grpc::Status end = copy.End();
  EXPECT_TRUE(Says(end, "ROLLED_BACK")) << end.error_message() << end.error_details();
  EXPECT_TRUE(NothingIsCopied());
  EXPECT_EQ(Rows(), "");
}

// PostgreSQL hears of no cancel while it waits for data, but it does while it waits for a lock.
TEST_F(CopyTest, ACopyThatWaitsForALockCanBeCancelled) {
  testing_support::Direct holder(postgres_->ConnectionString());
  holder.Run("BEGIN; LOCK TABLE events");
  client::CallOptions brief;
  brief.timeout = absl::Milliseconds(500);
  client::CopyWriter copy = db().CopyIn(Table("events"), v1::CopyFormat(), brief);
  copy.Write("1\tone\n");
  const absl::StatusOr<int64_t> end = copy.Commit();
  EXPECT_EQ(end.status().code(), absl::StatusCode::kDeadlineExceeded) << end.status();
  EXPECT_TRUE(NothingIsCopied());
  holder.Run("COMMIT");
  EXPECT_EQ(Rows(), "");
}

TEST_F(CopyTest, NoticesDoNotEndACopy) {
  Direct().Run(
      "CREATE OR REPLACE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '% %', "
      "NEW.id, repeat('x', 5000); RETURN NEW; END $$; CREATE TRIGGER tell BEFORE INSERT ON events FOR EACH ROW "
      "EXECUTE FUNCTION tell()");
  client::CopyWriter copy = db().CopyIn(Table("events"));
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(copy.Write(absl::StrCat(i, "\t", std::string(1000, 'y'), "\n")));
  const absl::StatusOr<int64_t> rows = copy.Commit();
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*rows, 3000);
  EXPECT_EQ(copy.response().notices_size(), 100);
}

TEST_F(CopyTest, MessagesInAWrongOrderAreRefused) {
  const auto ends = [this](const std::function<void(RawCopy*)>& say) {
    RawCopy copy(*gateway_);
    say(&copy);
    const grpc::Status end = copy.End();
    EXPECT_EQ(end.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << end.error_message();
    EXPECT_EQ(Rows(), "");
    return end.error_message();
  };
  EXPECT_TRUE(absl::StrContains(ends([](RawCopy*) {}), "stream"));
  EXPECT_TRUE(absl::StrContains(ends([](RawCopy* copy) { copy->Data("1\tone\n"); }), "header"));
  EXPECT_TRUE(absl::StrContains(ends([](RawCopy* copy) { copy->Empty(); }), "header"));
  const auto begun = [&](const std::function<void(RawCopy*)>& say) {
    return ends([&](RawCopy* copy) {
      copy->Header(Table("events"));
      copy->Data("1\tone\n");
      say(copy);
    });
  };
  EXPECT_TRUE(absl::StrContains(begun([](RawCopy* copy) { copy->Header(Table("events")); }), "header"));
  EXPECT_TRUE(absl::StrContains(begun([](RawCopy* copy) { copy->Rows(v1::RowBatch()); }), "rows"));
  EXPECT_TRUE(absl::StrContains(begun([](RawCopy* copy) { copy->Empty(); }), "part"));
}

TEST_F(CopyTest, RowsOfAnotherShapeAreRefused) {
  const auto ends = [](const v1::RowBatch& rows) {
    RawCopy copy(*gateway_);
    copy.Header(Table("events"), {v1::COLUMN_KIND_INT32, v1::COLUMN_KIND_ARRAY});
    copy.Rows(rows);
    const grpc::Status end = copy.End();
    EXPECT_EQ(end.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << end.error_message();
    EXPECT_TRUE(Says(end, "ROLLED_BACK"));
    return end.error_message();
  };
  v1::RowBatch rows;
  rows.set_row_count(1);
  rows.add_columns()->add_int32s(1);
  EXPECT_TRUE(absl::StrContains(ends(rows), "rows.columns"));
  rows.add_columns()->add_texts("{1}");
  EXPECT_TRUE(absl::StrContains(ends(rows), "rows.columns[1].texts[0]"));
  rows.mutable_columns(1)->set_texts(0, "[1, {\"a\": 1}]");
  EXPECT_TRUE(absl::StrContains(ends(rows), "rows.columns[1].texts[0]"));
  rows.mutable_columns(1)->set_texts(0, "[1]");
  rows.mutable_columns(0)->add_int32s(2);
  EXPECT_TRUE(absl::StrContains(ends(rows), "rows.columns[0]"));
  rows.mutable_columns(0)->mutable_int32s()->Truncate(1);
  rows.mutable_columns(0)->add_nulls(true);
  rows.mutable_columns(0)->add_nulls(true);
  EXPECT_TRUE(absl::StrContains(ends(rows), "rows.columns[0]"));
  EXPECT_EQ(Rows(), "");
}

TEST_F(CopyTest, WrongTablesAndOptionsAreNamed) {
  const auto in = [this](const v1::CopyTable& table, const v1::CopyFormat& format = v1::CopyFormat()) {
    return Load(db().CopyIn(table, format), "").status();
  };
  EXPECT_EQ(FieldOf(in(Table(""))), "table.table");
  EXPECT_EQ(FieldOf(in(Table("a.b.c"))), "table.table");
  EXPECT_EQ(FieldOf(in(Table(".b"))), "table.table");
  EXPECT_EQ(FieldOf(in(Table(std::string(64, 'x')))), "table.table");
  EXPECT_EQ(FieldOf(in(Table(std::string("a\0b", 3)))), "table.table");
  EXPECT_EQ(FieldOf(in(Table("events", {"id", ""}))), "table.columns[1]");
  EXPECT_EQ(ReasonOf(in(Table("events", {"id", "nothing"}))), "UNDEFINED_COLUMN");
  EXPECT_EQ(ReasonOf(in(Table("pg_stat_activity"))), "WRONG_OBJECT_TYPE");
  v1::CopyFormat format;
  format.set_quote("'");
  EXPECT_EQ(FieldOf(in(Table("events"), format)), "format.quote");
  format = Csv();
  format.set_delimiter("ab");
  EXPECT_EQ(FieldOf(in(Table("events"), format)), "format.delimiter");
  format = Csv();
  format.add_force_quote("id");
  EXPECT_EQ(FieldOf(in(Table("events"), format)), "format.force_quote");
  format = Csv();
  format.set_null(std::string("a\0b", 3));
  EXPECT_EQ(FieldOf(in(Table("events"), format)), "format.null");
  format = v1::CopyFormat();
  format.set_kind(v1::CopyFormat::BINARY);
  format.set_header(true);
  EXPECT_EQ(FieldOf(in(Table("events"), format)), "format.header");
  format = v1::CopyFormat();
  format.set_kind(static_cast<v1::CopyFormat::Kind>(9));
  EXPECT_EQ(FieldOf(in(Table("events"), format)), "format.kind");
  EXPECT_EQ(Reason(ReadAll(db().CopyOut(v1::CopyTable()))), "INVALID_FIELD");
}

// What has come of a copy that waits for a connection counts in the Line: a caller has 256 MiB there.
TEST_F(CopyTest, WhatWaitsForAConnectionIsBounded) {
  testing_support::TempDir directory;
  const std::string callers =
      directory.Write("callers.json", R"({"callers": [{"name": "loader", "permissions": ["copy"],
      "token_sha256": "1933a6a2b3a9197d79feccb8872bbe97c9d3921335d66f0e3f2a63208909e8db"}]})");
  const std::string token = "loader-token";
  const Gateway gateway(pgbouncer_->Url(),
                        {"--pool_size=2", "--request_bytes_max=268435456", "--callers_file=" + callers});
  RawCopy first(gateway, token);
  first.Header(Table("events"));
  first.Data("1\tone\n");
  ASSERT_TRUE(CopyWaits());
  const std::string data(140 << 20, ' ');
  std::vector<std::unique_ptr<RawCopy>> waiting;
  std::vector<std::future<grpc::Status>> ends;
  for (int i = 0; i < 2; ++i) {
    RawCopy& copy = *waiting.emplace_back(std::make_unique<RawCopy>(gateway, token));
    copy.Header(Table("events"));
    copy.Data(data);
    ends.push_back(std::async(std::launch::async, [&copy] { return copy.Await(); }));
  }
  const auto is_over = [](const std::future<grpc::Status>& end) {
    return end.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  };
  EXPECT_TRUE(testing_support::Eventually([&] { return absl::c_any_of(ends, is_over); }));
  for (const auto& copy : waiting) copy->Cancel();
  int refused = 0;
  for (std::future<grpc::Status>& end : ends) refused += Says(end.get(), "GATEWAY_OVERLOADED") ? 1 : 0;
  EXPECT_EQ(refused, 1);
  EXPECT_TRUE(first.End().ok());
}

// One that stops reading stops PostgreSQL; one that leaves ends it.
TEST_F(CopyTest, CopiesLeaveAConnectionToShortCalls) {
  const Gateway gateway(pgbouncer_->Url(), {"--pool_size=2"});
  RawCopy first(gateway);
  first.Header(Table("events"));
  first.Data("1\tone\n");
  ASSERT_TRUE(CopyWaits());
  client::Database::Options once;
  once.target = gateway.address();
  once.retries_max = 0;
  const client::Database db = *client::Database::Open(once);
  client::CallOptions hasty;
  hasty.timeout = absl::Seconds(1);
  EXPECT_EQ(Reason(ReadAll(db.CopyOut(Table("events"), Csv(), hasty))), "QUEUE_TIMEOUT");
  EXPECT_EQ(Reason(db.Execute("SELECT 1")), "ok");
  EXPECT_TRUE(first.End().ok());
  EXPECT_EQ(*ReadAll(db.CopyOut(Table("events"), Csv())), "1,one\n");
  const Gateway narrow(pgbouncer_->Url(), {"--pool_size=1"});
  EXPECT_EQ(Reason(Load(narrow.Client().CopyIn(Table("events")), "")), "HELD_CALLS_OFF");
}

}  // namespace
}  // namespace sluice
