#include "server/sql/lexer.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace sluice::sql {
namespace {

// Tokens as text, strings in <>, parameters as {n}, quoted identifiers in [].
std::string Lex(absl::string_view text, bool standard_conforming_strings = true) {
  Lexer lexer(text, standard_conforming_strings);
  std::vector<std::string> parts;
  for (Token token = lexer.Next(); token.kind != TokenKind::kEnd; token = lexer.Next()) {
    const absl::string_view bytes = text.substr(token.begin, token.end - token.begin);
    switch (token.kind) {
      case TokenKind::kError: return absl::StrCat("error: ", lexer.error());
      case TokenKind::kString: parts.push_back(absl::StrCat("<", bytes, ">")); break;
      case TokenKind::kParameter: parts.push_back(absl::StrCat("{", token.number, "}")); break;
      case TokenKind::kQuotedIdentifier: parts.push_back(absl::StrCat("[", bytes, "]")); break;
      default: parts.push_back(std::string(bytes));
    }
  }
  return absl::StrJoin(parts, " ");
}

TEST(LexerTest, FindsParametersBetweenOperators) {
  EXPECT_EQ(Lex("SELECT -$1,@$2::int"), "SELECT - {1} , @ {2} : : int");
  EXPECT_EQ(Lex("$1$2"), "{1} {2}");
  EXPECT_EQ(Lex("$01"), "{1}");
}

TEST(LexerTest, ADollarBelongsToAnIdentifier) {
  EXPECT_EQ(Lex("a$1 é$1 a$b$ x$$ select$1"), "a$1 é$1 a$b$ x$$ select$1");
}

TEST(LexerTest, LineCommentsEndAtAnyNewline) {
  EXPECT_EQ(Lex("a -- $1 '\nb"), "a b");
  EXPECT_EQ(Lex("a --\\' $1\rb $2"), "a b {2}");
  EXPECT_EQ(Lex("a+--b\n$1"), "a + {1}");
}

TEST(LexerTest, BlockCommentsNest) {
  EXPECT_EQ(Lex("a /* /* $1 */ ' */ b"), "a b");
  EXPECT_EQ(Lex("a /*/ $1 */ b"), "a b");
  EXPECT_EQ(Lex("a */*b*/ c"), "a * c");
  EXPECT_EQ(Lex("a /* b"), "error: unterminated /* comment");
}

TEST(LexerTest, StringsOfEveryKind) {
  EXPECT_EQ(Lex("'it''s $1' E'\\'$1' n'x' B'1' x'f' U&'\\0041'"),
            "<'it''s $1'> <E'\\'$1'> <n'x'> <B'1'> <x'f'> <U&'\\0041'>");
  EXPECT_EQ(Lex("B'1''2'"), "<B'1'> <'2'>");
  EXPECT_EQ(Lex("name'x'"), "name <'x'>");
  EXPECT_EQ(Lex("'open"), "error: unterminated quoted string");
}

TEST(LexerTest, AStringGoesOnAfterANewline) {
  EXPECT_EQ(Lex("'a'\n'b' $1"), "<'a'\n'b'> {1}");
  EXPECT_EQ(Lex("'a' -- c\n 'b'"), "<'a' -- c\n 'b'>");
  EXPECT_EQ(Lex("E'a'\n'\\' || $1 --'"), "<E'a'\n'\\' || $1 --'>");
  EXPECT_EQ(Lex("'a' 'b'"), "<'a'> <'b'>");
  EXPECT_EQ(Lex("'a' /* \n */ 'b'"), "<'a'> <'b'>");
  EXPECT_EQ(Lex("'a'\n -- c"), "<'a'>");
}

TEST(LexerTest, DollarQuotesEndAtTheirOwnTag) {
  EXPECT_EQ(Lex("$$ $1 ' $a$ $$ $2"), "<$$ $1 ' $a$ $$> {2}");
  EXPECT_EQ(Lex("$a$ $$ $b$ $a$"), "<$a$ $$ $b$ $a$>");
  EXPECT_EQ(Lex("$a$ $1"), "error: unterminated dollar-quoted string");
  EXPECT_EQ(Lex("$ $a"), "$ $ a");
}

TEST(LexerTest, QuotedIdentifiersKnowNoBackslash) {
  EXPECT_EQ(Lex("\"a\"\"$1\\\" $1 U&\"\\0041\""), "[\"a\"\"$1\\\"] {1} [U&\"\\0041\"]");
  EXPECT_EQ(Lex("\"open"), "error: unterminated quoted identifier");
}

TEST(LexerTest, UAmpersandAloneIsAnOperator) { EXPECT_EQ(Lex("U&$1"), "U & {1}"); }

TEST(LexerTest, NumbersOfEveryVersion) {
  EXPECT_EQ(Lex("1 1.5 .5 1. 1e5 1.5E-3 0x1F 1_000"), "1 1.5 .5 1. 1e5 1.5E-3 0x1F 1_000");
  EXPECT_EQ(Lex("1..10"), "1 .. 10");
  for (const char* junk : {"1a", "1e'x'", "0x", "1__0", "1.5e+", "1$1", "1_0$1"}) {
    EXPECT_EQ(Lex(junk), "error: trailing junk after numeric literal") << junk;
  }
}

TEST(LexerTest, RefusesJunkAfterAParameter) { EXPECT_EQ(Lex("$1and 2"), "error: trailing junk after parameter"); }

TEST(LexerTest, AHugeParameterNumberDoesNotWrap) { EXPECT_EQ(Lex("$4294967297"), "{2147483647}"); }

TEST(LexerTest, OldStringsLexWithBackslashEscapes) {
  EXPECT_EQ(Lex("'a\\' $1 '", /*standard_conforming_strings=*/false), "<'a\\' $1 '>");
  EXPECT_EQ(Lex("'a\\' $1 ' '"), "<'a\\'> {1} <' '>");
}

TEST(LexerTest, SaysWhenTheStringSettingMatters) {
  const auto depends = [](absl::string_view text) {
    Lexer lexer(text, true);
    while (lexer.Next().kind != TokenKind::kEnd) {
    }
    return lexer.depends_on_string_setting();
  };
  EXPECT_TRUE(depends("'a\\b'"));
  EXPECT_TRUE(depends("N'a\\b'"));
  EXPECT_TRUE(depends("U&'a'"));
  EXPECT_FALSE(depends("E'a\\b' 'plain' $$a\\b$$ \"a\\b\" -- \\"));
}

}  // namespace
}  // namespace sluice::sql
