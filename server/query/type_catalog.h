#ifndef SLUICE_SERVER_QUERY_TYPE_CATALOG_H_
#define SLUICE_SERVER_QUERY_TYPE_CATALOG_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/codec/column_type.h"
#include "server/postgres/result.h"
#include "server/query/turn.h"

namespace sluice::query {

// What the columns of results are. Types that are not built in (enums, composites,
// extensions) are looked up in the database's catalog, once: the first result with a new
// type costs a second round trip. Thread-safe; shared by all calls on one database.
class TypeCatalog {
 public:
  // One type for each column. A type that can not be looked up has no name and travels as
  // PostgreSQL's text.
  std::vector<codec::ColumnType> ColumnTypes(const postgres::Result& result, Turn* turn);

 private:
  using Key = std::pair<uint32_t, int32_t>;  // oid, modifier
  struct Entry {
    codec::ColumnType type;
    absl::Time expires_at;
  };

  bool Find(const Key& key, codec::ColumnType* type);
  void LookUp(const std::vector<Key>& keys, Turn* turn);

  Mutex mu_;
  absl::flat_hash_map<Key, Entry> known_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_TYPE_CATALOG_H_
