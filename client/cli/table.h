#ifndef SLUICE_CLIENT_CLI_TABLE_H_
#define SLUICE_CLIENT_CLI_TABLE_H_

#include <string>

#include "sluice/v1/database.pb.h"

namespace sluice::cli {

// A result for people: aligned columns, numbers to the right, NULL as such; timestamps and
// binary values in readable form.
std::string AsTable(const v1::ResultSet& result);
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
