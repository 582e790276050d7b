#include "server/codec/bind.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/base/utf8.h"
#include "server/codec/literal.h"
#include "server/sql/lexer.h"

namespace sluice::codec {
namespace {

// PostgreSQL's own limit, from the 16 bits of its Bind message.
constexpr int kParametersMax = 65535;
// Past this the self-check runs on one statement of 16: it costs 0.4 ms a megabyte.
constexpr size_t kAlwaysCheckedBytes = 64 << 10;

absl::Status CheckSlots(const sql::Statement& facts, int parameter_count) {
  std::vector<bool> used(parameter_count, false);
  for (const sql::Placeholder& slot : facts.placeholders) {
    if (slot.number < 1 || slot.number > parameter_count) {
      // (The lexer stops counting at the end of an int.)
      const std::string which =
          slot.number > kParametersMax ? absl::StrCat("past $", kParametersMax) : absl::StrCat("$", slot.number);
      return errors::ParameterCount(absl::StrCat("there is no parameter ", which, " (", parameter_count, " sent)"),
                                    "42P02");
    }
    used[slot.number - 1] = true;
  }
  for (int i = 0; i < parameter_count; ++i) {
    if (!used[i]) {
      return errors::ParameterCount(
          absl::StrCat("parameter $", i + 1, " is not used: is its $", i + 1, " inside a string, or missing?"),
          "42P18");
    }
  }
  return absl::OkStatus();
}

// Before anything is allocated: $1 repeated multiplies its value.
absl::Status CheckBoundSize(const v1::Statement& statement, const sql::Statement& facts, size_t bound_bytes_max) {
  uint64_t size = statement.sql().size();
  for (const sql::Placeholder& slot : facts.placeholders) {
    size += LiteralSizeMax(statement.params(slot.number - 1));
  }
  if (size <= bound_bytes_max) return absl::OkStatus();
  return errors::RequestTooLarge("statement with its parameters", static_cast<int64_t>(bound_bytes_max),
                                 static_cast<int64_t>(size), "bytes");
}

struct Span {
  size_t begin, end;
};

// Reads the bound text as PostgreSQL will: no placeholder may be left, and every string
// that was put in must be exactly one string token.
bool IsSound(absl::string_view bound, size_t template_strings, const std::vector<Span>& put_in) {
  sql::Lexer lexer(bound, /*standard_conforming_strings=*/true);
  size_t strings = 0;
  size_t next = 0;
  for (sql::Token token = lexer.Next(); token.kind != sql::TokenKind::kEnd; token = lexer.Next()) {
    if (token.kind == sql::TokenKind::kError || token.kind == sql::TokenKind::kParameter) return false;
    if (token.kind != sql::TokenKind::kString) continue;
    ++strings;
    if (next < put_in.size() && token.begin == put_in[next].begin) {
      if (token.end != put_in[next].end) return false;
      ++next;
    }
  }
  return next == put_in.size() && strings == template_strings + put_in.size();
}

bool IsChecked(size_t bound_size) {
  if (bound_size <= kAlwaysCheckedBytes) return true;
  static thread_local unsigned large_statements = 0;
  return large_statements++ % 16 == 0;
}

absl::StatusOr<std::vector<Literal>> RenderAll(const v1::Statement& statement) {
  std::vector<Literal> literals;
  literals.reserve(statement.params_size());
  for (const v1::Value& value : statement.params()) {
    ASSIGN_OR_RETURN(Literal literal, RenderLiteral(value, static_cast<int>(literals.size()) + 1));
    literals.push_back(std::move(literal));
  }
  return literals;
}

absl::Status Substitute(absl::string_view text, const std::vector<Literal>& literals, BoundStatement* bound) {
  std::vector<Span> strings;
  size_t copied = 0;
  for (const sql::Placeholder& slot : bound->facts().placeholders) {
    bound->text.append(text.data() + copied, slot.begin - copied);
    copied = slot.end;
    const Literal& literal = literals[slot.number - 1];
    const size_t begin = bound->text.size();
    if (literal.string_end > 0) strings.push_back({begin + literal.string_begin, begin + literal.string_end});
    bound->text += literal.text;
    bound->substitutions.push_back({slot.begin, slot.end, begin, bound->text.size()});
  }
  bound->text.append(text.data() + copied, text.size() - copied);
  if (IsChecked(bound->text.size()) && !IsSound(bound->text, bound->facts().string_count, strings)) {
    return errors::Bug("the bound statement failed its self-check", v1::OUTCOME_NOT_STARTED);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BoundStatement> Bind(const v1::Statement& statement, const BindLimits& limits,
                                    sql::StatementBook* book) {
  const std::string& text = statement.sql();
  if (text.size() > limits.statement_bytes_max) {
    return errors::RequestTooLarge("statement.sql", static_cast<int64_t>(limits.statement_bytes_max),
                                   static_cast<int64_t>(text.size()), "bytes");
  }
  if (statement.params_size() > kParametersMax) {
    return errors::RequestTooLarge("statement.params", kParametersMax, statement.params_size(), "parameters");
  }
  BoundStatement bound;
  ASSIGN_OR_RETURN(bound.known, book->Read(text, statement.params_size() > 0));
  if (statement.params_size() == 0) {
    bound.text = text;
    return bound;
  }
  if (bound.facts().placeholders.size() > kParametersMax) {
    return errors::RequestTooLarge("statement.sql", kParametersMax,
                                   static_cast<int64_t>(bound.facts().placeholders.size()), "placeholders");
  }
  RETURN_IF_ERROR(CheckSlots(bound.facts(), statement.params_size()));
  RETURN_IF_ERROR(CheckBoundSize(statement, bound.facts(), limits.bound_bytes_max));
  ASSIGN_OR_RETURN(const std::vector<Literal> literals, RenderAll(statement));
  RETURN_IF_ERROR(Substitute(text, literals, &bound));
  return bound;
}

void BoundStatement::Wrap(absl::string_view before, size_t bytes, absl::string_view behind) {
  text = absl::StrCat(before, absl::string_view(text).substr(0, bytes), behind);
  begin = before.size();
  end = begin + bytes;
  for (Substitution& slot : substitutions) {
    slot.bound_begin += begin;
    slot.bound_end += begin;
  }
}

int BoundStatement::CallerPosition(absl::string_view caller_text, int position) const {
  const size_t bound_byte = ByteOfCharacter(text, position);
  if (bound_byte < begin || bound_byte > end) return 0;
  size_t caller_byte = bound_byte - begin;
  for (const Substitution& slot : substitutions) {
    if (bound_byte < slot.bound_begin) break;
    caller_byte = bound_byte < slot.bound_end ? slot.caller_begin : slot.caller_end + (bound_byte - slot.bound_end);
  }
  return CharacterPosition(caller_text, caller_byte);
}

int BoundStatement::ParameterAt(int position) const {
  const size_t byte = ByteOfCharacter(text, position);
  for (size_t i = 0; i < substitutions.size(); ++i) {
    const Substitution& slot = substitutions[i];
    if (byte >= slot.bound_begin && byte < slot.bound_end) return facts().placeholders[i].number;
  }
  return 0;
}

}  // namespace sluice::codec
