// The sluice command: queries for people and scripts, exit codes for orchestrators.

#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/fixture.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/sluice_command.h"
#include "tests/support/temp_dir.h"
#include "tests/support/unix_socket.h"

namespace sluice {
namespace {

using testing_support::Ended;
using testing_support::RunSluice;

class CliTest : public ConformanceTest {
 protected:
  Ended Run(const std::vector<std::string>& arguments) { return RunSluice(arguments, gateway_->address()); }
};

TEST_F(CliTest, CsvIsOfAnySize) {
  const Ended ended = Run({"query", "--csv", "SELECT i, repeat('x', 1000) AS pad FROM generate_series(1, 10000) i"});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(std::count(ended.output.begin(), ended.output.end(), '\n'), 10001);
  EXPECT_TRUE(absl::EndsWith(ended.output, "x\r\n"));
  const Ended broken =
      Run({"query", "--csv", "SELECT 1 / (50000 - i), repeat('x', 100) FROM generate_series(1, 60000) i"});
  EXPECT_EQ(broken.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(broken.output, "division by zero")) << broken.output.substr(0, 1000);
}

TEST_F(CliTest, QueryPrintsAnAlignedTable) {
  const Ended ended =
      Run({"query", "SELECT * FROM (VALUES (1, 'a'), (20, NULL), ($1::int, $2)) t(n, text)", "300", "wörld\n"});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.output,
            " n   | text\n"
            "-----+---------\n"
            "   1 | a\n"
            "  20 | NULL\n"
            " 300 | wörld\\n\n"
            "(3 rows)\n");
}

TEST_F(CliTest, QueryPrintsJsonAndCsv) {
  EXPECT_EQ(Run({"query", "--json", "SELECT 1 AS n, 9007199254740993 AS big, $1 AS nothing, '{\"a\":[]}'::json AS doc",
                 "\\N"})
                .output,
            "[\n  {\"n\": 1, \"big\": \"9007199254740993\", \"nothing\": null, \"doc\": {\"a\":[]}}\n]\n");
  EXPECT_EQ(Run({"query", "--csv", "SELECT 'a,\"b' AS x, '' AS empty, NULL AS nothing"}).output,
            "x,empty,nothing\r\n\"a,\"\"b\",\"\",\r\n");
}

TEST_F(CliTest, NoColumnAndNoEraIsLost) {
  EXPECT_EQ(Run({"query", "--json", "SELECT 1 AS a, 2 AS a"}).output, "[\n  {\"a\": 1, \"a_2\": 2}\n]\n");
  EXPECT_TRUE(absl::StrContains(Run({"query", "SELECT '0044-03-15 12:00:00 BC'::timestamp"}).output,
                                " 0044-03-15 12:00:00 BC\n"));
}

TEST_F(CliTest, WithoutAGatewayItSaysWhereItLooked) {
  const Ended ended = RunSluice({"query", "SELECT 1"}, "127.0.0.1:1");
  EXPECT_EQ(ended.exit_code, 3);
  EXPECT_TRUE(absl::StrContains(ended.output, "Is sluiced serving at 127.0.0.1:1?")) << ended.output;
}

// A script that took it for a gateway that was not there would write twice.
TEST_F(CliTest, AWriteWhoseAnswerIsLostIsNotCalledUnreached) {
  Direct().Run("CREATE TABLE IF NOT EXISTS written (n int)");
  testing_support::FaultProxy network(gateway_->address().substr(std::string("unix:").size()));
  network.CutBefore(testing_support::FaultProxy::Way::kToClient, "marker");
  const Ended ended =
      RunSluice({"query", "INSERT INTO written VALUES (1) RETURNING 'mark' || 'er'"}, "unix:" + network.socket_path());
  EXPECT_EQ(ended.exit_code, 1) << ended.output;
  EXPECT_TRUE(absl::StrContains(ended.output, "Outcome: UNKNOWN")) << ended.output;
}

TEST_F(CliTest, AFailureShowsThePlaceAndWhatBecameOfIt) {
  const Ended ended = Run({"query", "SELECT 1,\n  nothing FROM pg_class"});
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(ended.output, "UNDEFINED_COLUMN (42703)")) << ended.output;
  EXPECT_TRUE(absl::StrContains(ended.output, "    nothing FROM pg_class\n    ^\n")) << ended.output;
  EXPECT_TRUE(absl::StrContains(ended.output, "Outcome: everything was rolled back")) << ended.output;
}

TEST_F(CliTest, ABatchIsAllOrNothingAndNamesTheStatementThatFailed) {
  EXPECT_EQ(Run({"batch", "SELECT 1 AS a", "SELECT 2 AS b"}).output, " a\n---\n 1\n(1 row)\n b\n---\n 2\n(1 row)\n");
  const Ended failed = Run({"batch", "CREATE TABLE never (n int)", "SELECT 1/0"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(failed.output, "Statement 2:\nERROR INVALID_ARGUMENT DIVISION_BY_ZERO"))
      << failed.output;
  EXPECT_EQ(Direct().Value("SELECT count(*) FROM pg_class WHERE relname = 'never'"), "0");
  const Ended independent = Run({"batch", "--independent", "SELECT 1/0", "SELECT 2 AS b"});
  EXPECT_EQ(independent.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(independent.output, " b\n---\n 2\n")) << independent.output;
}

TEST_F(CliTest, ABatchPrintsForProgramsToo) {
  EXPECT_EQ(Run({"batch", "--csv", "CREATE TEMP TABLE t (n int) ON COMMIT DROP", "SELECT 1 AS one"}).output,
            "\r\none\r\n1\r\n");
  // A part for each, also for the one that failed.
  EXPECT_TRUE(
      absl::StrContains(Run({"batch", "--csv", "--independent", "SELECT 1 AS a", "SELECT 1/0", "SELECT 3 AS c"}).output,
                        "a\r\n1\r\n\r\n"));
}

TEST_F(CliTest, ABatchIsOneDocumentAndTellsWhatItsWritesDid) {
  EXPECT_EQ(Run({"batch", "--json", "CREATE TEMP TABLE t (n int) ON COMMIT DROP", "INSERT INTO t VALUES (1), (2)",
                 "SELECT n FROM t"})
                .output,
            "[\n  {\"command\": \"CREATE TABLE\"},\n"
            "  {\"command\": \"INSERT\", \"affectedRows\": 2},\n"
            "  {\"command\": \"SELECT\", \"rows\": [{\"n\": 1}, {\"n\": 2}]}\n]\n");
  const Ended one_failed = Run({"batch", "--json", "--independent", "SELECT 1 AS a", "SELECT 1/0"});
  EXPECT_EQ(one_failed.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(one_failed.output,
                                "[\n  {\"command\": \"SELECT\", \"rows\": [{\"a\": 1}]},\n"
                                "  {\"error\":{\"code\":\"INVALID_ARGUMENT\",\"reason\":\"DIVISION_BY_ZERO\","
                                "\"sqlstate\":\"22012\",\"outcome\":\"ROLLED_BACK\","))
      << one_failed.output;
  EXPECT_EQ(Run({"query", "--json", "CREATE TABLE IF NOT EXISTS counted (n int)"}).exit_code, 0);
  EXPECT_EQ(Run({"query", "--json", "INSERT INTO counted VALUES (1), (2), (3)"}).output,
            "{\"command\": \"INSERT\", \"affectedRows\": 3}\n");
  EXPECT_EQ(Run({"query", "--json", "SELECT 1 AS n WHERE false"}).output, "[]\n");
}

TEST_F(CliTest, AParameterMayBeCalledLikeACommand) {
  EXPECT_EQ(Run({"query", "--csv", "SELECT $1 AS a, $2 AS b", "health", "ping"}).output, "a,b\r\nhealth,ping\r\n");
}

TEST_F(CliTest, AParameterIsTakenAsItStands) {
  EXPECT_EQ(Run({"query", "--csv", "SELECT $1 AS a, $2 AS b", "[1,2]", "-5"}).output, "a,b\r\n\"[1,2]\",-5\r\n");
  EXPECT_EQ(Run({"query", "--csv", "SELECT $1 AS a, $2 AS b", "--", "--json", "--"}).output, "a,b\r\n--json,--\r\n");
  // Options stand where they stand.
  EXPECT_EQ(Run({"query", "SELECT $1 AS a", "x", "--csv", "--target", gateway_->address()}).output, "a\r\nx\r\n");
  const Ended mistyped = Run({"query", "SELECT 1", "--jsn"});
  EXPECT_EQ(mistyped.exit_code, 2);
  EXPECT_TRUE(absl::StrContains(mistyped.output, "--jsn")) << mistyped.output;
}

TEST_F(CliTest, AnOutputThatCanNotBeWrittenIsAFailure) {
  EXPECT_EQ(Run({"query", "SELECT generate_series(1, 1000)"}).exit_code, 0);
  EXPECT_EQ(RunSluice({"query", "SELECT generate_series(1, 1000)"}, gateway_->address(), "/dev/full").exit_code, 1);
}

TEST_F(CliTest, FloatsThatAreNoNumbersArePrintedAsPostgresDoes) {
  EXPECT_EQ(Run({"query", "--csv", "SELECT 'NaN'::float8 AS a, '-inf'::float8 AS b"}).output,
            "a,b\r\nNaN,-Infinity\r\n");
}

TEST_F(CliTest, NoDigitOfAJsonNumberIsLost) {
  EXPECT_EQ(
      Run({"query", "--json", "SELECT '{\"n\": 12345678901234567890.1234567890}'::json AS j, ARRAY[1, NULL] AS a"})
          .output,
      "[\n  {\"j\": {\"n\": 12345678901234567890.1234567890}, \"a\": [1,null]}\n]\n");
}

TEST_F(CliTest, NoValueSpeaksToTheTerminal) {
  const Ended ended = Run({"query", "SELECT chr(27) || '[2J' || chr(7) || chr(155) || 'é' AS v"});
  EXPECT_TRUE(absl::StrContains(ended.output, u8"\\x1b[2J\\x07\\x9bé")) << ended.output;
}

TEST_F(CliTest, NoMessageSpeaksToTheTerminal) {
  for (const char* level : {"NOTICE", "EXCEPTION"}) {
    const Ended ended =
        Run({"query", absl::StrCat("DO $$ BEGIN RAISE ", level, " E'\\x1b[2J' USING DETAIL = E'a\\x07', ",
                                   "HINT = E'one\\ntwo'; END $$")});
    EXPECT_TRUE(absl::StrContains(ended.output, "\\x1b[2J")) << ended.output;
    EXPECT_EQ(ended.output.find('\x1b'), std::string::npos) << ended.output;
    EXPECT_EQ(ended.output.find('\x07'), std::string::npos) << ended.output;
  }
  const Ended pointed = Run({"query", "SELECT 'ä\x1b\t', nothing"});
  EXPECT_TRUE(absl::StrContains(pointed.output, "  SELECT 'ä\\x1b\\t', nothing\n                    ^\n"))
      << pointed.output;
}

TEST_F(CliTest, ATimeLimitIsKept) {
  const Ended ended = Run({"query", "--timeout", "0.2", "SELECT pg_sleep(60)"});
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(ended.output, "DEADLINE_EXCEEDED")) << ended.output;
}

TEST_F(CliTest, HealthIsAnExitCode) {
  ASSERT_TRUE(gateway_->AwaitReady());
  EXPECT_EQ(Run({"health"}).exit_code, 0);
  EXPECT_EQ(Run({"health", "liveness"}).output, "SERVING\n");
  EXPECT_EQ(RunSluice({"health"}).exit_code, 3);
  const testing_support::Gateway without_database("postgresql://u@/d?host=/nonexistent");
  EXPECT_EQ(RunSluice({"health"}, without_database.address()).exit_code, 1);
  EXPECT_EQ(RunSluice({"health", "liveness"}, without_database.address()).exit_code, 0);
}

TEST_F(CliTest, PingNamesTheServer) {
  const Ended ended = Run({"ping", "-n", "2"});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_TRUE(absl::StrContains(ended.output, "PostgreSQL " + Direct().Value("SHOW server_version"))) << ended.output;
}

// Something listens there, and says nothing.
TEST_F(CliTest, AGatewayThatNeverAnswersIsNotReached) {
  const testing_support::TempDir directory;
  const int silent = testing_support::ListenAt(directory.File("silent"));
  const std::string target = "unix:" + directory.File("silent");
  EXPECT_EQ(RunSluice({"ping", "--timeout", "0.2"}, target).exit_code, 3);
  EXPECT_EQ(RunSluice({"health", "--timeout", "0.2"}, target).exit_code, 3);
  // Of a statement nobody knows.
  const Ended query = RunSluice({"query", "--timeout", "0.2", "SELECT 1"}, target);
  EXPECT_EQ(query.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(query.output, "Outcome: UNKNOWN")) << query.output;
  close(silent);
}

TEST_F(CliTest, AFileThatIsNoCertificateIsAWrongArgument) {
  const testing_support::TempDir directory;
  const std::string no_pem = directory.Write("ca.pem", "hello\n");
  const Ended ended = Run({"ping", "--ca_file", no_pem});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(ended.output, absl::StrCat("sluice: ", no_pem, " holds no certificate (PEM)\n"));
  EXPECT_EQ(Run({"ping", "--ca_file", "/nonexistent"}).output,
            "sluice: can not read /nonexistent: No such file or directory\n");
  EXPECT_EQ(Run({"ping", "--target", ""}).exit_code, 2);
}

TEST_F(CliTest, AMistypedArgumentIsNotEchoedWithItsPassword) {
  for (const char* mistyped :
       {"--databaseurl=postgresql://u:pa55word@h/db", "postgresql://u:pa55word@h/db", "postgresql:/u:pa55word@h/db"}) {
    const Ended ended = Run({"doctor", "postgresql://u@h/db", mistyped});
    EXPECT_EQ(ended.exit_code, 2) << ended.output;
    EXPECT_FALSE(absl::StrContains(ended.output, "pa55word")) << ended.output;
  }
}

TEST_F(CliTest, WrongArgumentsAreUsageErrors) {
  EXPECT_EQ(RunSluice({}).exit_code, 2);
  const Ended unknown = RunSluice({"querry", "SELECT 1"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_TRUE(absl::StrContains(unknown.output, "querry")) << unknown.output;
  EXPECT_EQ(RunSluice({"query", "--timeout", "0", "SELECT 1"}).exit_code, 2);
  EXPECT_EQ(RunSluice({"query"}).exit_code, 2);
  EXPECT_EQ(RunSluice({"--help"}).exit_code, 0);
  EXPECT_EQ(RunSluice({"doctor"}).exit_code, 2);
  const Ended bad_url = RunSluice({"doctor", "--database_url", "mysql://u:secret@h/d"});
  EXPECT_EQ(bad_url.exit_code, 2);
  EXPECT_FALSE(absl::StrContains(bad_url.output, "secret"));
}

}  // namespace
}  // namespace sluice
