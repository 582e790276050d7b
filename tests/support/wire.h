#ifndef SLUICE_TESTS_SUPPORT_WIRE_H_
#define SLUICE_TESTS_SUPPORT_WIRE_H_

#include <cstdint>
#include <string>
#include <vector>

// The messages of PostgreSQL's protocol 3.0 that a server sends, as bytes (PostgreSQL
// documentation, "Message Formats").
namespace sluice::testing_support::wire {

struct Column {
  std::string name;
  uint32_t type_oid;
};

std::string LoggedIn();
std::string Setting(const std::string& name, const std::string& value);
// The process number and the secret for requests to cancel.
std::string Key(uint32_t process);
// Idle, outside of a transaction.
std::string Ready();
// A description of the rows, and the rows, in text form.
std::string Table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows);
std::string Complete(const std::string& tag);
// `position` is 1-based in the message that it is about; 0 for none.
std::string Error(const std::string& severity, const std::string& sqlstate, const std::string& message,
                  int position = 0);

// Four bytes, the highest first.
uint32_t ReadInt(const char* bytes);

}  // namespace sluice::testing_support::wire

#endif  // SLUICE_TESTS_SUPPORT_WIRE_H_
