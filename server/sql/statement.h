#ifndef SLUICE_SERVER_SQL_STATEMENT_H_
#define SLUICE_SERVER_SQL_STATEMENT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice::sql {

// A $n of a statement: its bytes [begin, end) and its n.
struct Placeholder {
  size_t begin = 0;
  size_t end = 0;
  int32_t number = 0;
};

// What a statement's text tells without asking PostgreSQL.
struct Statement {
  // In order of their place.
  std::vector<Placeholder> placeholders;
  // Strings in the text, for the binder's self-check.
  size_t string_count = 0;
  // The first word, in upper case: "SELECT".
  std::string keyword;

  // Whether it may share a message, and so an implicit transaction, with the prelude and
  // with other statements. VACUUM, CREATE INDEX CONCURRENTLY and the like may not, nor
  // may DO and CALL, which may COMMIT.
  bool may_share_transaction = true;

  // It begins with SELECT, WITH, VALUES, TABLE, EXPLAIN or SHOW.
  bool is_query = false;

  // Why a READ ONLY transaction would not keep it from writing; empty if it would. EXPLAIN of
  // CREATE TABLE AS and of SELECT INTO, large objects, SQL in a text, COPY TO a file or program,
  // NOTIFY, LOCK, ANALYZE.
  std::string read_only_escape;

  // SELECT, INSERT, UPDATE and the like: always run in a transaction.
  bool is_plannable = false;

  // A read as far as the text shows it: no writing clause, no locking clause, no
  // function known for its effect. A user's function in it may still write, so whoever
  // relies on this (a retry) does so in a READ ONLY transaction.
  bool looks_read_only = false;

  // Whoever asks for the same twice wants two results.
  bool draws_lots = false;

  // INSERT, UPDATE, DELETE or MERGE that calls nothing but PostgreSQL's own reading functions, as
  // far as the text shows it.
  bool is_plain_write = false;

  // A server with standard_conforming_strings = off would read the text differently.
  bool depends_on_string_setting = false;
};

// Refuses, before anything is sent, with the errors of server/base/errors.h: text that
// is not UTF-8 or that PostgreSQL's lexer refuses, no statement or more than one,
// transaction control, COPY through the client, and whatever would leave something
// behind in a pooled session; with parameters also a statement that takes none, and
// without them one with a $n. The text is read as standard_conforming_strings = on.
//
// This protects from mistakes, not from malice: a function can still call set_config.
absl::StatusOr<Statement> ParseStatement(absl::string_view text, bool has_parameters);

}  // namespace sluice::sql

#endif  // SLUICE_SERVER_SQL_STATEMENT_H_
