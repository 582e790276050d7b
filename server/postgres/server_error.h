#ifndef SLUICE_SERVER_POSTGRES_SERVER_ERROR_H_
#define SLUICE_SERVER_POSTGRES_SERVER_ERROR_H_

#include <string>

struct pg_result;

namespace sluice::postgres {

// An ErrorResponse or NoticeResponse of PostgreSQL, or of a pooler in front of it.
struct ServerError {
  std::string severity;  // "ERROR", "FATAL", "WARNING", never translated
  std::string sqlstate;  // empty if libpq made the error up ("server closed the connection")
  std::string message;
  std::string detail;
  std::string hint;
  // 1-based, in characters of the whole message that was sent; 0 if none was given.
  int position = 0;
  std::string schema;
  std::string table;
  std::string column;
  std::string data_type;
  std::string constraint;
  std::string where;
};

ServerError ReadServerError(const pg_result* result);

// Of libpq's text after a failed connect, as it is written under PQERRORS_VERBOSE:
// "connection to server ... failed: FATAL:  28P01: password authentication failed ...".
// Without a server's word in it, sqlstate is empty and the message is the whole text.
ServerError ParseConnectError(const std::string& text);

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_SERVER_ERROR_H_
