// sluice shell: a prompt for statements.

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/cli/commands.h"
#include "client/cli/describe_sql.h"
#include "client/cli/error_text.h"
#include "client/cli/interrupts.h"
#include "client/cli/line_editor.h"
#include "client/cli/pager.h"
#include "client/cli/report.h"
#include "client/cli/shell_input.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"
#include "client/cpp/error.h"
#include "server/base/file.h"

namespace sluice::cli {
namespace {

constexpr char kHelp[] =
    "Statements end with a semicolon, and may have any number of lines. Ctrl-C cancels, Ctrl-D ends.\n"
    "  \\?                  this\n"
    "  \\q                  the end\n"
    "  \\begin, \\commit, \\rollback\n"
    "                      a transaction; BEGIN, COMMIT, ROLLBACK, SAVEPOINT and the like do the same\n"
    "  \\d [NAME]           tables and views, or what one is made of\n"
    "  \\dn, \\df, \\du       schemas, functions, roles\n"
    "  \\timing [on|off]    how long each statement takes\n"
    "  \\x [on|off]         a line for each value\n"
    "  \\i FILE             statements from a file\n"
    "  \\ping               the gateway and its database\n";

std::string DurationText(const google::protobuf::Duration& duration) {
  return absl::StrFormat("%.3f ms", static_cast<double>(duration.seconds()) * 1e3 + duration.nanos() / 1e6);
}

class Shell {
 public:
  // `interrupts` is null where nobody types.
  Shell(const Target& target, const client::Database& db, const ShellArguments& arguments, LineEditor* lines,
        Interrupts* interrupts)
      : target_(target),
        db_(db),
        lines_(*lines),
        interrupts_(interrupts),
        is_interactive_(interrupts != nullptr),
        read_only_(arguments.read_only),
        timing_(arguments.timing) {}

  int Run() {
    while (!quits_) {
      std::string line;
      const LineEditor::Got got = lines_.Read(Prompt(), &line);
      if (got == LineEditor::Got::kInterrupted) statements_.Clear();
      if (got == LineEditor::Got::kEnd) break;
      failed_ = false;
      if (got == LineEditor::Got::kLine) Take(line, /*was_typed=*/true);
      // A script ends with its first error.
      if (!is_interactive_ && failed_) return exit_code_;
    }
    // The last statement of a script need not have a semicolon.
    if (!is_interactive_ && !quits_ && !statements_.is_blank()) Do(statements_.Rest());
    if (transaction_.has_value()) {
      transaction_.reset();
      Fail("The transaction is rolled back.\n");
    }
    return is_interactive_ ? kExitOk : exit_code_;
  }

 private:
  std::string Prompt() const {
    if (!statements_.is_blank()) return "     -> ";
    if (!transaction_.has_value()) return "sluice> ";
    return transaction_->state() == v1::TransactResponse::FAILED ? "sluice!> " : "sluice*> ";
  }

  void Take(absl::string_view line, bool was_typed) {
    const std::string words(absl::StripAsciiWhitespace(line));
    if (statements_.is_blank() && absl::StartsWith(words, "\\")) {
      if (was_typed) lines_.Remember(words);
      return Command(words);
    }
    statements_.AddLine(line);
    while (std::optional<std::string> statement = statements_.Take()) {
      if (was_typed) lines_.Remember(*statement);
      Do(*statement);
      if (failed_ && !(is_interactive_ && was_typed)) return;
    }
    if (statements_.is_blank()) statements_.Clear();
  }

  // \word argument
  void Command(absl::string_view words) {
    const size_t space = words.find_first_of(" \t");
    const absl::string_view name = absl::StripSuffix(words.substr(0, space), ";");
    absl::string_view rest = space == absl::string_view::npos ? "" : absl::StripAsciiWhitespace(words.substr(space));
    const std::string argument(absl::StripTrailingAsciiWhitespace(absl::StripSuffix(rest, ";")));
    if (name == "\\?" || name == "\\h" || name == "\\help") return Print(kHelp);
    if (name == "\\q" || name == "\\quit") {
      quits_ = true;
    } else if (name == "\\begin") {
      Do("BEGIN " + argument);
    } else if (name == "\\commit") {
      Do("COMMIT");
    } else if (name == "\\rollback") {
      Do("ROLLBACK");
    } else if (name == "\\timing") {
      Switch("Timing", argument, &timing_);
    } else if (name == "\\x") {
      Switch("A line for each value", argument, &expanded_);
    } else if (name == "\\i") {
      RunFile(argument);
    } else if (name == "\\ping") {
      RunPing(target_, PingArguments());
    } else if (const std::vector<client::Statement> asked = DescribingStatements(name, argument); !asked.empty()) {
      for (const client::Statement& statement : asked) {
        if (!failed_) RunStatement(statement, /*is_typed=*/false);
      }
    } else {
      Fail(absl::StrCat(Printable(name), ": no such command; \\? lists them\n"));
    }
  }

  void Switch(const char* what, const std::string& argument, bool* setting) {
    if (!argument.empty() && argument != "on" && argument != "off") return Fail("on, or off?\n");
    *setting = argument.empty() ? !*setting : argument == "on";
    Print(absl::StrCat(what, " is ", *setting ? "on" : "off", ".\n"));
  }

  // Up to its first error.
  void RunFile(const std::string& path) {
    const absl::StatusOr<std::string> text = ReadFile(path);
    if (!text.ok()) return Fail(absl::StrCat(Printable(text.status().message()), "\n"));
    absl::string_view rest = *text;
    absl::ConsumePrefix(&rest, "\xef\xbb\xbf");  // some editors' mark of UTF-8
    StatementSplitter around;
    std::swap(around, statements_);
    for (const absl::string_view line : absl::StrSplit(rest, '\n')) {
      if (!failed_ && !quits_) Take(absl::StripSuffix(line, "\r"), /*was_typed=*/false);
    }
    if (!failed_ && !quits_ && !statements_.is_blank()) Do(statements_.Rest());
    std::swap(around, statements_);
  }

  void Do(const std::string& statement) {
    using Kind = TransactionCommand::Kind;
    const TransactionCommand command = ReadTransactionCommand(statement);
    if (command.kind == Kind::kNone) return RunStatement(client::Statement(statement));
    if (command.kind == Kind::kBegin) return Begin(command.options);
    if (!transaction_.has_value()) return Fail("There is no transaction; \\begin opens one.\n");
    End(DoInTransaction(command), command.kind);
  }

  absl::Status DoInTransaction(const TransactionCommand& command) {
    using Kind = TransactionCommand::Kind;
    const Interrupts::During during(interrupts_, [this] { transaction_->Cancel(); });
    switch (command.kind) {
      case Kind::kCommit: return transaction_->Commit();
      case Kind::kRollback: return transaction_->Rollback();
      case Kind::kSavepoint: return transaction_->Savepoint(command.savepoint);
      case Kind::kRelease: return transaction_->Release(command.savepoint);
      default: return transaction_->RollbackTo(command.savepoint);
    }
  }

  void Begin(v1::TransactionOptions asked) {
    if (transaction_.has_value()) return Fail("There is a transaction already.\n");
    client::TransactionOptions options;
    options.timeout = absl::Hours(1);
    options.idle_timeout = absl::Minutes(1);
    asked.set_read_only(asked.read_only() || read_only_);
    options.transaction = asked;
    transaction_.emplace(db_.Begin(options));
    Print("BEGIN (it ends after a minute without a statement)\n");
  }

  // Of a step of the transaction, and perhaps of all of it.
  void End(const absl::Status& status, TransactionCommand::Kind kind) {
    using Kind = TransactionCommand::Kind;
    if (!status.ok()) {
      Fail(ErrorText(status, ""));
    } else {
      Print(kind == Kind::kCommit      ? "COMMIT\n"
            : kind == Kind::kSavepoint ? "SAVEPOINT\n"
            : kind == Kind::kRelease   ? "RELEASE\n"
                                       : "ROLLBACK\n");
    }
    if (transaction_->is_over()) transaction_.reset();
  }

  // `is_typed`: by whoever sees its errors.
  void RunStatement(const client::Statement& statement, bool is_typed = true) {
    const absl::Time begin = absl::Now();
    v1::CallInfo info;
    const absl::Status status = transaction_.has_value() ? RunInTransaction(statement) : Stream(statement, &info);
    const bool ends_transaction = transaction_.has_value() && transaction_->is_over();
    if (!status.ok()) Report(status, is_typed ? statement.proto().sql() : "");
    if (ends_transaction) {
      transaction_.reset();
      PrintError("The transaction is over: it was rolled back.\n");
    }
    if (!timing_) return;
    Print(absl::StrFormat("Time: %.3f ms", absl::ToDoubleMilliseconds(absl::Now() - begin)));
    if (info.has_database_time()) {
      Print(absl::StrCat(", of which ", DurationText(info.database_time()), " to the database"));
    }
    Print("\n");
  }

  void Report(const absl::Status& status, const std::string& sql) {
    failed_ = true;
    exit_code_ = ExitCodeOf(status);
    if (!client::IsFromGateway(status) && status.code() == absl::StatusCode::kCancelled) {
      PrintError("Cancelled. Whether it was done just before that is not known.\n");
    } else {
      PrintError(ErrorText(status, sql));
    }
    if (exit_code_ == kExitUnreachable) PrintError(WhereItLooked(target_));
  }

  absl::Status RunInTransaction(const client::Statement& statement) {
    const absl::StatusOr<client::Result> result = [&] {
      const Interrupts::During during(interrupts_, [this] { transaction_->Cancel(); });
      return transaction_->Execute(statement);
    }();
    if (!result.ok()) return result.status();
    PrintWhole(result->proto());
    return absl::OkStatus();
  }

  absl::Status Stream(const client::Statement& statement, v1::CallInfo* info) {
    client::CallOptions options = client::Database::StreamOptions();
    options.read_only = read_only_;
    client::RowStream rows = db_.Stream(statement, options);
    const Interrupts::During during(interrupts_, [&rows] { rows.Cancel(); });
    TableWriter writer(expanded_);
    {
      Pager pager;
      while (rows.NextBatch() && pager.Write(writer.Rows(rows.batch()))) continue;
      // A gateway with one connection has none for streams.
      if (client::ReasonOf(rows.status()) == "HELD_CALLS_OFF") return Execute(statement, info);
      if (!rows.status().ok()) return rows.status();
      if (!rows.has_ended()) {
        // Nobody wants more.
        Fail("The rest was cancelled; if the statement writes, that may have been rolled back.\n");
        return absl::OkStatus();
      }
      pager.Write(writer.End(rows.batch(), rows.summary().command(), rows.summary().row_count()));
    }
    PrintNotices(rows.summary().notices());
    *info = rows.summary().info();
    return absl::OkStatus();
  }

  absl::Status Execute(const client::Statement& statement, v1::CallInfo* info) {
    client::CallOptions options;
    options.read_only = read_only_;
    const absl::StatusOr<client::Result> result = db_.Execute(statement, options);
    if (!result.ok()) return result.status();
    PrintWhole(result->proto());
    *info = result->info();
    return absl::OkStatus();
  }

  void PrintWhole(const v1::ResultSet& result) const {
    // Ctrl-C is the pager's: the statement has ended.
    const Interrupts::During during(interrupts_, [] {});
    TableWriter writer(expanded_);
    Pager pager;
    pager.Write(writer.Rows(result));
    pager.Write(writer.End(result, result.command(), result.row_count()));
    PrintNotices(result.notices());
  }

  void Fail(const std::string& text) {
    failed_ = true;
    exit_code_ = kExitFailed;
    PrintError(text);
  }

  const Target& target_;
  const client::Database& db_;
  LineEditor& lines_;
  Interrupts* const interrupts_;
  const bool is_interactive_;
  const bool read_only_;
  bool timing_;
  bool expanded_ = false;
  bool quits_ = false;
  // Something of this line, or of a file that it names, has failed.
  bool failed_ = false;
  int exit_code_ = kExitOk;
  StatementSplitter statements_;
  std::optional<client::Transaction> transaction_;
};

}  // namespace

int RunShell(const Target& target, const ShellArguments& arguments) {
  absl::StatusOr<client::Database> db = Open(target);
  if (!db.ok()) return FailToOpen(db.status());
  // A pager that is left early is no reason to end.
  signal(SIGPIPE, SIG_IGN);
  const bool is_interactive = isatty(STDIN_FILENO) != 0;
  if (is_interactive) {
    const absl::StatusOr<v1::PingResponse> ping = db->Ping();
    if (!ping.ok()) return Fail(target, ping.status());
    Print(absl::StrCat("PostgreSQL ", Printable(ping->server_version()), " through ", Printable(target.options.target),
                       "; \\? helps\n"));
  }
  std::optional<Interrupts> interrupts;
  if (is_interactive) interrupts.emplace();
  Interrupts* const typed = interrupts.has_value() ? &*interrupts : nullptr;
  const std::unique_ptr<LineEditor> lines = is_interactive ? TerminalLines(typed) : ScriptLines();
  return Shell(target, *db, arguments, lines.get(), typed).Run();
}

}  // namespace sluice::cli
