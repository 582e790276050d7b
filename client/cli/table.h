#ifndef SLUICE_CLIENT_CLI_TABLE_H_
#define SLUICE_CLIENT_CLI_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sluice/v1/database.pb.h"

namespace sluice::cli {

// A result for people: aligned columns, numbers to the right, NULL as such; timestamps and binary values in readable
// form. It may come in batches: as wide as the first one is, or wider where a later one wants that.
class TableWriter {
 public:
  // `expanded`: a line for each value.
  explicit TableWriter(bool expanded) : expanded_(expanded) {}

  // A batch, with the header if it is the first.
  std::string Rows(const v1::ResultSet& batch);
  // What stands below: "(3 rows)", or without columns what was done. With the header of a result without rows.
  std::string End(const v1::ResultSet& columns, const std::string& command, int64_t row_count);

 private:
  std::string Expanded(const v1::ResultSet& batch);

  const bool expanded_;
  bool has_header_ = false;
  int64_t rows_ = 0;
  std::vector<size_t> widths_;
};
// What was done, where there are no rows: "INSERT 3", "CREATE TABLE".
std::string AsWords(const v1::ResultSet& result);
// An array of objects; numbers as numbers, int8 and numeric as strings (JSON's numbers are
// doubles), JSON and arrays as what they are. A second column called "a" becomes "a_2". Of a
// statement that returns no rows the object that AsJsonObject makes.
std::string AsJson(const v1::ResultSet& result);
// {"command": "INSERT", "affectedRows": 3}, and with "rows" where there are any; in one line.
std::string AsJsonObject(const v1::ResultSet& result);
// RFC 4180 with a header; NULL is an empty field, an empty string is "". Nothing at all for a
// statement that returns no rows.
std::string AsCsv(const v1::ResultSet& result);
// Its parts, of a result that comes batch by batch.
std::string CsvHeader(const v1::ResultSet& result);
std::string CsvRows(const v1::ResultSet& result);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_TABLE_H_
