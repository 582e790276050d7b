#ifndef SLUICE_TESTS_CONFORMANCE_COPYING_H_
#define SLUICE_TESTS_CONFORMANCE_COPYING_H_

#include <cstdint>
#include <string>

#include "tests/conformance/fixture.h"

namespace sluice {

inline v1::CopyFormat Csv() {
  v1::CopyFormat format;
  format.set_kind(v1::CopyFormat::CSV);
  return format;
}

inline std::string LineOf(const absl::Status& status) { return FactsOf(status).metadata["line"]; }
inline std::string FieldOf(const absl::Status& status) { return FactsOf(status).metadata["field"]; }

class CopyTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    Direct().Run("DROP TABLE IF EXISTS events; CREATE TABLE events (id int PRIMARY KEY, name text)");
  }

  std::string Rows() {
    return Direct().Value("SELECT coalesce(string_agg(id || '=' || name, ' ' ORDER BY id), '') FROM events");
  }

  static absl::StatusOr<std::string> ReadAll(client::CopyReader reader) {
    std::string all;
    for (std::string piece; reader.Read(&piece);) all += piece;
    if (!reader.status().ok()) return reader.status();
    return all;
  }

  static absl::StatusOr<int64_t> Load(client::CopyWriter copy, const std::string& data) {
    copy.Write(data);
    return copy.Commit();
  }

  // Waits until a COPY has begun, and PostgreSQL waits for its data.
  bool CopyWaits() {
    return testing_support::Eventually([this] {
      return Direct().Value(
                 "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%COPY%FROM STDIN%' AND "
                 "wait_event = 'ClientRead' AND state = 'active'") == "1";
    });
  }
  bool NothingIsCopied() {
    return testing_support::Eventually([this] {
      return Direct().Value(
                 "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%COPY%STD%' AND state <> 'idle' "
                 "AND pid <> pg_backend_pid()") == "0";
    });
  }
};

}  // namespace sluice

#endif  // SLUICE_TESTS_CONFORMANCE_COPYING_H_
