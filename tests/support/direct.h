#ifndef SLUICE_TESTS_SUPPORT_DIRECT_H_
#define SLUICE_TESTS_SUPPORT_DIRECT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

struct pg_conn;

namespace sluice::testing_support {

// A plain libpq connection, past the gateway: prepares a database, and gives a second
// opinion on what a statement should give.
class Direct {
 public:
  // Aborts the test program if it can not connect.
  explicit Direct(const std::string& connection_string);
  ~Direct();
  Direct(const Direct&) = delete;
  Direct& operator=(const Direct&) = delete;

  static bool IsReachable(const std::string& connection_string);
  // Connects and runs SELECT 1; `while_connected` runs before it disconnects. Returns the
  // error, empty if there is none.
  static std::string ConnectError(const std::string& connection_string, const std::function<void()>& while_connected);

  struct Answer {
    std::vector<std::vector<std::optional<std::string>>> rows;
    std::vector<uint32_t> type_oids;
    std::string sqlstate;  // empty on success
    std::string error;
  };
  struct Parameter {
    uint32_t type_oid = 0;
    std::optional<std::string> text;
    bool binary = false;
  };

  Answer Execute(const std::string& sql);
  // With a server-side bind, in the extended protocol.
  Answer ExecuteBound(const std::string& sql, const std::vector<Parameter>& parameters);

  // The one value of the one row; aborts if there is an error.
  std::string Value(const std::string& sql);
  // Aborts on error.
  void Run(const std::string& sql);

 private:
  pg_conn* const connection_;
};

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_DIRECT_H_
