#include "server/query/type_catalog.h"

#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"

namespace sluice::query {
namespace {

// A type can be renamed; its oid comes back for another only after 4 billion others.
constexpr absl::Duration kKeptFor = absl::Minutes(10);
// Of some 100 bytes each.
constexpr size_t kKnownMax = 10000;

codec::ColumnType TypeFromCatalog(absl::string_view name, absl::string_view type_type, absl::string_view category,
                                  absl::string_view delimiter) {
  codec::ColumnType type;
  type.name = std::string(name);
  if (category == "A") {
    type.kind = v1::COLUMN_KIND_ARRAY;
    type.delimiter = delimiter.empty() ? ',' : delimiter[0];
  } else if (type_type == "e" || category == "S") {
    type.kind = v1::COLUMN_KIND_TEXT;
  }
  return type;
}

}  // namespace

std::vector<codec::ColumnType> TypeCatalog::ColumnTypes(const postgres::Result& result, Turn* turn) {
  std::vector<codec::ColumnType> types(result.column_count());
  std::vector<int> unknown;
  std::vector<Key> keys;
  for (int i = 0; i < result.column_count(); ++i) {
    const postgres::ColumnFacts facts = result.column(i);
    if (std::optional<codec::ColumnType> type = codec::BuiltInColumnType(facts.type_oid, facts.type_modifier)) {
      types[i] = *std::move(type);
    } else if (!Find({facts.type_oid, facts.type_modifier}, &types[i])) {
      unknown.push_back(i);
      keys.emplace_back(facts.type_oid, facts.type_modifier);
    }
  }
  if (unknown.empty()) return types;
  LookUp(keys, turn);
  for (size_t k = 0; k < unknown.size(); ++k) Find(keys[k], &types[unknown[k]]);
  return types;
}

bool TypeCatalog::Find(const Key& key, codec::ColumnType* type) {
  MutexLock lock(&mu_);
  auto found = known_.find(key);
  if (found == known_.end() || found->second.expires_at < absl::Now()) return false;
  *type = found->second.type;
  return true;
}

void TypeCatalog::LookUp(const std::vector<Key>& keys, Turn* turn) {
  const std::string rows = absl::StrJoin(keys, ",", [](std::string* out, const Key& key) {
    absl::StrAppend(out, "(", key.first, "::pg_catalog.oid,(", key.second, ")::pg_catalog.int4)");
  });
  const std::string statement = absl::StrCat(
      "SELECT v.o, v.m, pg_catalog.format_type(v.o, v.m), t.typtype, t.typcategory, e.typdelim FROM (VALUES ", rows,
      ") AS v(o, m) JOIN pg_catalog.pg_type t ON t.oid = v.o LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem");
  postgres::Flight flight;
  flight.statements = {statement};
  const postgres::FlightReport report = turn->Ask(flight);
  if (report.failure.has_value() || report.results.empty()) return;

  const postgres::Result& answer = report.results[0];
  const absl::Time expires_at = absl::Now() + kKeptFor;
  MutexLock lock(&mu_);
  if (known_.size() > kKnownMax) known_.clear();
  for (int row = 0; row < answer.row_count(); ++row) {
    Key key;
    if (!absl::SimpleAtoi(answer.Text(row, 0), &key.first) || !absl::SimpleAtoi(answer.Text(row, 1), &key.second)) {
      continue;
    }
    known_[key] = {TypeFromCatalog(answer.Text(row, 2), answer.Text(row, 3), answer.Text(row, 4), answer.Text(row, 5)),
                   expires_at};
  }
}

}  // namespace sluice::query
