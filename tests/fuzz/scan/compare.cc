// compare ORACLE.SO [--inputs=N] [--seed=S]: random SQL, made of what scanners trip over, by PostgreSQL's own scanner
// and by the gateway's. Ends with 1 at the first difference.
//
// The gateway's may refuse what PostgreSQL would take (it is to be safe with every version), and PostgreSQL what the
// gateway takes (the statement fails then, and nothing is bound wrongly). What both take must be the same tokens.

#include <dlfcn.h>

#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/sql/lexer.h"
#include "tests/fuzz/scan/oracle.h"

namespace sluice {
namespace {

using sql::Token;
using sql::TokenKind;

class Inputs {
 public:
  explicit Inputs(int seed) : random_(seed) {}

  std::string Next() {
    static const std::vector<std::string>& pieces = *new std::vector<std::string>{"'",
                                                                                  "'",
                                                                                  "''",
                                                                                  "\\",
                                                                                  "\\'",
                                                                                  "\\\\",
                                                                                  "\"",
                                                                                  "\"\"",
                                                                                  "$",
                                                                                  "$$",
                                                                                  "$1",
                                                                                  "$2",
                                                                                  "$12345678901",
                                                                                  "$a$",
                                                                                  "$b$",
                                                                                  "$_1$",
                                                                                  "$é$",
                                                                                  "--",
                                                                                  "-- '\n",
                                                                                  "/*",
                                                                                  "*/",
                                                                                  "/* ' */",
                                                                                  "/* /* */",
                                                                                  "\n",
                                                                                  "\r",
                                                                                  "\r\n",
                                                                                  " ",
                                                                                  "\t",
                                                                                  "\f",
                                                                                  "\v",
                                                                                  "e'",
                                                                                  "E'",
                                                                                  "b'",
                                                                                  "B'",
                                                                                  "x'",
                                                                                  "X'",
                                                                                  "n'",
                                                                                  "N'",
                                                                                  "u&'",
                                                                                  "U&'",
                                                                                  "U&\"",
                                                                                  "u&",
                                                                                  "U",
                                                                                  "&",
                                                                                  "UESCAPE",
                                                                                  "e",
                                                                                  "a",
                                                                                  "é",
                                                                                  "ü$1",
                                                                                  "a$1",
                                                                                  "a$b$",
                                                                                  "_",
                                                                                  "1",
                                                                                  "1.",
                                                                                  ".5",
                                                                                  "1.5",
                                                                                  "1e5",
                                                                                  "1e",
                                                                                  "1e+",
                                                                                  "1..2",
                                                                                  "1.2.3",
                                                                                  "0x1F",
                                                                                  "0b1",
                                                                                  "0o7",
                                                                                  "1_000",
                                                                                  "1a",
                                                                                  "..",
                                                                                  ".",
                                                                                  ":=",
                                                                                  "::",
                                                                                  "=>",
                                                                                  "<=",
                                                                                  ">=",
                                                                                  "<>",
                                                                                  "!=",
                                                                                  "=",
                                                                                  "<",
                                                                                  ">",
                                                                                  "+",
                                                                                  "-",
                                                                                  "*",
                                                                                  "/",
                                                                                  "@",
                                                                                  "~",
                                                                                  "?",
                                                                                  "|",
                                                                                  "^",
                                                                                  "#",
                                                                                  "%",
                                                                                  "!",
                                                                                  "`",
                                                                                  "+-",
                                                                                  "@-",
                                                                                  "*/-",
                                                                                  "(",
                                                                                  ")",
                                                                                  "[",
                                                                                  "]",
                                                                                  "{",
                                                                                  "}",
                                                                                  ",",
                                                                                  ";",
                                                                                  ":",
                                                                                  "\\101",
                                                                                  "\\x41",
                                                                                  "\\u0041",
                                                                                  "\\U00000041",
                                                                                  "\\d800\\dc00",
                                                                                  "\\",
                                                                                  "\x01",
                                                                                  "\x7f",
                                                                                  "\xc3\xa9",
                                                                                  "\xe2\x82\xac",
                                                                                  "select",
                                                                                  "'a'",
                                                                                  "'a' 'b'",
                                                                                  "'a'\n'b'",
                                                                                  "'a' -- c\n'b'",
                                                                                  "'a'\n-- '\n'b'",
                                                                                  "E'\\''",
                                                                                  "$x$'$x$",
                                                                                  "''''",
                                                                                  "\"a\"\"b\""};
    const int count = Pick(1, 12);
    std::string text;
    for (int i = 0; i < count; ++i) {
      if (Pick(0, 9) == 0) {
        // Any byte but NUL.
        text += static_cast<char>(Pick(1, 127));
      } else {
        text += pieces[Pick(0, static_cast<int>(pieces.size()) - 1)];
      }
    }
    return text;
  }

 private:
  int Pick(int first, int last) { return std::uniform_int_distribution<int>(first, last)(random_); }
  std::mt19937 random_;
};

char KindOf(TokenKind kind) {
  switch (kind) {
    case TokenKind::kIdentifier:
    case TokenKind::kQuotedIdentifier: return 'i';
    case TokenKind::kString: return 's';
    case TokenKind::kNumber: return 'n';
    case TokenKind::kParameter: return 'p';
    default: return 'o';
  }
}

bool IsSymbol(char kind) { return kind != 'i' && kind != 's' && kind != 'n' && kind != 'p'; }

struct Counts {
  int64_t same = 0, refused_by_us = 0, refused_by_postgres = 0, refused_by_both = 0;
};

// Empty if there is no difference.
std::string Difference(OracleScan* scan, const std::string& text, bool conforming, Counts* counts) {
  std::vector<OracleToken> theirs(text.size() + 1);
  int failed = 0;
  theirs.resize(scan(text.c_str(), conforming ? 1 : 0, theirs.data(), static_cast<int>(theirs.size()), &failed));
  // A space from PostgreSQL 16 on, as the gateway has it, and before that a character that no statement may have.
  for (const OracleToken& their : theirs) {
    if (their.kind != '\v') continue;
    ++counts->refused_by_postgres;
    return "";
  }
  sql::Lexer lexer(text, conforming);
  size_t at = 0;  // in theirs
  for (;;) {
    const Token ours = lexer.Next();
    if (ours.kind == TokenKind::kError) {
      ++(failed != 0 ? counts->refused_by_both : counts->refused_by_us);
      return "";
    }
    // An operator of theirs comes byte by byte.
    const bool within = at > 0 && IsSymbol(theirs[at - 1].kind) && ours.kind == TokenKind::kSymbol &&
                        (at == theirs.size() || static_cast<int>(ours.begin) < theirs[at].begin);
    if (within) continue;
    if (at == theirs.size()) {
      if (failed != 0) {
        ++counts->refused_by_postgres;
        return "";
      }
      if (ours.kind != TokenKind::kEnd) return absl::StrCat("PostgreSQL ends before byte ", ours.begin);
      ++counts->same;
      return "";
    }
    if (ours.kind == TokenKind::kEnd) return absl::StrCat("the gateway ends before byte ", theirs[at].begin);
    // N'...' is the word n and a string to PostgreSQL, and one string to the gateway.
    const bool is_national = ours.kind == TokenKind::kString && (text[ours.begin] | ' ') == 'n';
    if (is_national && static_cast<int>(ours.begin) == theirs[at].begin) {
      if (++at == theirs.size()) continue;
      if (theirs[at].kind == 's' && theirs[at].begin == static_cast<int>(ours.begin) + 1) {
        ++at;
        continue;
      }
    }
    const OracleToken& their = theirs[at++];
    const char kind = IsSymbol(their.kind) ? 'o' : their.kind;
    if (static_cast<int>(ours.begin) != their.begin || KindOf(ours.kind) != kind ||
        // (Past what an int holds PostgreSQL 15 wraps around, and the gateway takes it for larger than any.)
        (kind == 'p' && ours.number != their.number && ours.number != std::numeric_limits<int32_t>::max())) {
      return absl::StrCat("PostgreSQL has '", std::string(1, their.kind), "' at byte ", their.begin, ", the gateway '",
                          std::string(1, KindOf(ours.kind)), "' at ", ours.begin);
    }
  }
}

int Run(OracleScan* scan, int64_t inputs, int seed) {
  Inputs random(seed);
  Counts counts;
  for (int64_t i = 0; i < inputs; ++i) {
    const std::string text = random.Next();
    for (const bool conforming : {true, false}) {
      const std::string difference = Difference(scan, text, conforming, &counts);
      if (difference.empty()) continue;
      std::printf("DIFFERENCE, standard_conforming_strings %s: %s\n%s\n", conforming ? "on" : "off", difference.c_str(),
                  text.c_str());
      return 1;
    }
  }
  std::printf(
      "%ld inputs, each twice: 0 differences; %ld the same, %ld refused by both, %ld by the gateway alone, %ld by "
      "PostgreSQL alone\n",
      static_cast<long>(inputs), static_cast<long>(counts.same), static_cast<long>(counts.refused_by_both),
      static_cast<long>(counts.refused_by_us), static_cast<long>(counts.refused_by_postgres));
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  int64_t inputs = 300000;
  int seed = 1;
  bool good = argc >= 2;
  for (int i = 2; i < argc; ++i) {
    absl::string_view argument = argv[i];
    good &= (absl::ConsumePrefix(&argument, "--inputs=") && absl::SimpleAtoi(argument, &inputs)) ||
            (absl::ConsumePrefix(&argument, "--seed=") && absl::SimpleAtoi(argument, &seed));
  }
  void* library = good ? dlopen(argv[1], RTLD_NOW) : nullptr;
  if (library == nullptr) {
    std::fprintf(stderr, "usage: compare ORACLE.SO [--inputs=N] [--seed=S]; %s\n", good ? dlerror() : "");
    return 2;
  }
  return sluice::Run(reinterpret_cast<OracleScan*>(dlsym(library, "oracle_scan")), inputs, seed);
}
