#ifndef SLUICE_TESTS_SUPPORT_CORPUS_H_
#define SLUICE_TESTS_SUPPORT_CORPUS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sluice/v1/database.pb.h"
#include "tests/support/direct.h"

namespace sluice::testing_support {

// One line of tests/data/binding-cases.jsonl: a statement, and what a real PostgreSQL gave
// for it through a server-side bind.
struct BindingCase {
  std::string name;
  v1::Statement statement;
  std::vector<std::string> session;  // to run first in the session
  std::string error;                 // SQLSTATE, empty if it succeeds
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::vector<uint32_t> type_oids;
  // Flags: a stricter gateway may refuse it, must refuse it, or may differ in a known way.
  bool may_reject = false;
  bool must_reject = false;
  bool diverges = false;
};

std::vector<BindingCase> ReadBindingCases(const std::string& path);

// A column's value as PostgreSQL's own text, so that it can be compared with what libpq
// gave. `oracle` translates what travels in another form (timestamps, intervals, arrays).
std::optional<std::string> PostgresText(const v1::ResultSet& result, int row, int column);
// `text`, PostgreSQL's own, in the form that a column of this kind has (the inverse
// question, asked of PostgreSQL itself).
std::string InFormOfKind(const std::string& text, const v1::Column& column, Direct* oracle);

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_CORPUS_H_
