#include "client/cli/shell_input.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "server/sql/lexer.h"

namespace sluice::cli {
namespace {

using sql::Lexer;
using sql::Token;
using sql::TokenKind;

// Words in upper case; quoted names as they are.
std::vector<std::string> WordsOf(absl::string_view statement) {
  std::vector<std::string> words;
  Lexer lexer(statement, /*standard_conforming_strings=*/true);
  for (Token token = lexer.Next(); token.kind > TokenKind::kError; token = lexer.Next()) {
    const std::string word(statement.substr(token.begin, token.end - token.begin));
    if (word != ";") words.push_back(token.kind == TokenKind::kIdentifier ? absl::AsciiStrToUpper(word) : word);
  }
  return words;
}

// A name as PostgreSQL reads it: folded, or without its quotes.
std::string NameOf(const std::string& word) {
  if (word.size() < 2 || word.front() != '"') return absl::AsciiStrToLower(word);
  return absl::StrReplaceAll(word.substr(1, word.size() - 2), {{"\"\"", "\""}});
}

}  // namespace

void StatementSplitter::AddLine(absl::string_view line) {
  absl::StrAppend(&text_, line, "\n");
  may_have_ended_ = !is_open_ || line.find_first_of("'\"$/") != absl::string_view::npos;
}

std::optional<std::string> StatementSplitter::Take() {
  if (!may_have_ended_) return std::nullopt;
  const size_t offset = read_;
  const absl::string_view rest = absl::string_view(text_).substr(offset);
  Lexer lexer(rest, /*standard_conforming_strings=*/true);
  is_open_ = false;
  for (Token token = lexer.Next(); token.kind != TokenKind::kEnd; token = lexer.Next()) {
    has_words_ = true;
    if (token.kind == TokenKind::kError) {
      is_open_ = absl::StartsWith(lexer.error(), "unterminated");
      // What else is wrong the gateway says better, when the line ends the statement.
      if (!is_open_ && absl::EndsWith(absl::StripAsciiWhitespace(rest), ";")) return CutAt(text_.size());
      return std::nullopt;
    }
    read_ = offset + token.end;
    const absl::string_view word = rest.substr(token.begin, token.end - token.begin);
    if (token.kind == TokenKind::kIdentifier) ReadWord(word);
    if (token.kind != TokenKind::kSymbol) continue;
    depth_ += word == "(" ? 1 : word == ")" ? -1 : 0;
    if (word == ";" && depth_ <= 0 && body_ == 0) return CutAt(read_);
  }
  may_have_ended_ = false;
  return std::nullopt;
}

void StatementSplitter::ReadWord(absl::string_view word) {
  const std::string upper = absl::AsciiStrToUpper(word);
  if (last_word_.empty()) creates_ = upper == "CREATE";
  creates_routine_ = creates_routine_ || (creates_ && (upper == "FUNCTION" || upper == "PROCEDURE"));
  if (creates_routine_ && body_ == 0 && last_word_ == "BEGIN" && upper == "ATOMIC") {
    body_ = 1;
  } else if (body_ > 0) {
    body_ += upper == "CASE" ? 1 : upper == "END" ? -1 : 0;
  }
  last_word_ = upper;
}

std::string StatementSplitter::CutAt(size_t end) {
  StatementSplitter next;
  std::string statement = text_.substr(begin_, end - begin_);
  next.text_ = std::move(text_);
  next.begin_ = next.read_ = std::min(next.text_.find_first_not_of(" \t\r\n", end), next.text_.size());
  // What was taken is kept until it is more than what is left.
  if (next.begin_ > next.text_.size() / 2) {
    next.text_.erase(0, next.begin_);
    next.begin_ = next.read_ = 0;
  }
  *this = std::move(next);
  return statement;
}

TransactionCommand ReadTransactionCommand(absl::string_view statement) {
  using Kind = TransactionCommand::Kind;
  const std::vector<std::string> words = WordsOf(statement);
  const std::string text = absl::StrJoin(words, " ");
  const auto begins = [&](absl::string_view phrase) {
    return text == phrase || absl::StartsWith(text, absl::StrCat(phrase, " "));
  };
  TransactionCommand command;
  if (begins("BEGIN") || begins("START TRANSACTION")) {
    command.kind = Kind::kBegin;
    using Options = v1::TransactionOptions;
    command.options.set_isolation(absl::StrContains(text, "SERIALIZABLE")      ? Options::SERIALIZABLE
                                  : absl::StrContains(text, "REPEATABLE READ") ? Options::REPEATABLE_READ
                                  : absl::StrContains(text, "READ COMMITTED")  ? Options::READ_COMMITTED
                                                                               : Options::ISOLATION_UNSPECIFIED);
    command.options.set_read_only(absl::StrContains(text, "READ ONLY"));
    command.options.set_deferrable(absl::StrContains(text, "DEFERRABLE") && !absl::StrContains(text, "NOT DEFERRABLE"));
  } else if (begins("COMMIT PREPARED") || begins("ROLLBACK PREPARED") || absl::EndsWith(text, " AND CHAIN")) {
    return command;
  } else if (begins("COMMIT") || begins("END")) {
    command.kind = Kind::kCommit;
  } else if (begins("SAVEPOINT") && words.size() > 1) {
    command.kind = Kind::kSavepoint;
  } else if (begins("RELEASE") && words.size() > 1) {
    command.kind = Kind::kRelease;
  } else if (begins("ROLLBACK") || begins("ABORT")) {
    const bool is_partial = std::find(words.begin(), words.end(), "TO") != words.end();
    command.kind = is_partial ? Kind::kRollbackTo : Kind::kRollback;
  }
  if (!words.empty()) command.savepoint = NameOf(words.back());
  return command;
}

}  // namespace sluice::cli
