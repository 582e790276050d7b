#include "client/cli/shell_input.h"

#include <algorithm>
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

std::optional<std::string> TakeStatement(std::string* text) {
  Lexer lexer(*text, /*standard_conforming_strings=*/true);
  int depth = 0;
  for (Token token = lexer.Next(); token.kind != TokenKind::kEnd; token = lexer.Next()) {
    if (token.kind == TokenKind::kError) {
      // The end of a string or a comment may be on the next line; what else is wrong the gateway says better.
      if (absl::StartsWith(lexer.error(), "unterminated") || !absl::EndsWith(absl::StripAsciiWhitespace(*text), ";")) {
        return std::nullopt;
      }
      std::string all;
      all.swap(*text);
      return all;
    }
    if (token.kind != TokenKind::kSymbol) continue;
    const char symbol = (*text)[token.begin];
    depth += symbol == '(' ? 1 : symbol == ')' ? -1 : 0;
    if (symbol != ';' || depth > 0) continue;
    std::string statement = text->substr(0, token.end);
    text->erase(0, token.end);
    absl::StripLeadingAsciiWhitespace(text);
    return statement;
  }
  return std::nullopt;
}

bool IsBlank(absl::string_view text) {
  Lexer lexer(text, /*standard_conforming_strings=*/true);
  return lexer.Next().kind == TokenKind::kEnd;
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
