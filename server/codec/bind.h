#ifndef SLUICE_SERVER_CODEC_BIND_H_
#define SLUICE_SERVER_CODEC_BIND_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/sql/statement_book.h"
#include "sluice/v1/value.pb.h"

namespace sluice::codec {

// A statement that is ready to fly: its parameters are literals in its text.
struct BoundStatement {
  // What PostgreSQL gets.
  std::string text;
  // The statement as the caller sent it.
  std::shared_ptr<sql::KnownStatement> known;
  // What its text tells.
  const sql::Statement& facts() const { return known->facts; }

  // Puts something around the statement: the first `bytes` of the text, that is.
  void Wrap(absl::string_view before, size_t bytes, absl::string_view behind);

  // Translates a 1-based character position in `text`, as PostgreSQL reports it, into
  // one in the caller's text; a position inside a literal becomes that of its $n. 0 if it is in what was
  // put around.
  int CallerPosition(absl::string_view caller_text, int position) const;

  // The n of the $n whose literal has this position in `text`; 0 if none has.
  int ParameterAt(int position) const;

  // Where `text` differs from the caller's: in the order of facts().placeholders, bytes of both.
  struct Substitution {
    size_t caller_begin, caller_end;
    size_t bound_begin, bound_end;
  };
  std::vector<Substitution> substitutions;
  // Of `text`, where the statement is.
  size_t begin = 0;
  size_t end = std::string::npos;
};

struct BindLimits {
  size_t statement_bytes_max = 1 << 20;
  size_t bound_bytes_max = 64 << 20;
};

// Puts the parameters into the statement, as safely as a server-side bind would: see
// docs/binding.md for the rules and for what still differs. Any doubt is an error
// before anything is sent: those of sql::ParseStatement and RenderLiteral, PARAMETER_COUNT,
// REQUEST_TOO_LARGE. Without parameters the text
// goes out as it came.
absl::StatusOr<BoundStatement> Bind(const v1::Statement& statement, const BindLimits& limits, sql::StatementBook* book);

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_BIND_H_
