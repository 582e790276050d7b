#include "tests/support/wire.h"

#include "absl/strings/str_cat.h"

namespace sluice::testing_support::wire {
namespace {

std::string Int(uint32_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xff);
  return text;
}

std::string ZeroEnded(const std::string& text) { return text + '\0'; }

std::string Message(char type, const std::string& body) {
  return absl::StrCat(std::string(1, type), Int(static_cast<uint32_t>(body.size() + 4), 4), body);
}

}  // namespace

std::string LoggedIn() { return Message('R', Int(0, 4)); }

std::string Setting(const std::string& name, const std::string& value) {
  return Message('S', ZeroEnded(name) + ZeroEnded(value));
}

std::string Key(uint32_t process) { return Message('K', Int(process, 4) + Int(1, 4)); }

std::string Ready() { return Message('Z', "I"); }

std::string Table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows) {
  std::string description = Int(static_cast<uint32_t>(columns.size()), 2);
  for (const Column& column : columns) {
    // No table, no column of one, the type, its size and modifier, text form.
    absl::StrAppend(&description, ZeroEnded(column.name), Int(0, 4), Int(0, 2), Int(column.type_oid, 4), Int(0xffff, 2),
                    Int(0xffffffff, 4), Int(0, 2));
  }
  std::string table = Message('T', description);
  for (const std::vector<std::string>& row : rows) {
    std::string values = Int(static_cast<uint32_t>(row.size()), 2);
    for (const std::string& value : row) absl::StrAppend(&values, Int(static_cast<uint32_t>(value.size()), 4), value);
    table += Message('D', values);
  }
  return table;
}

std::string Complete(const std::string& tag) { return Message('C', ZeroEnded(tag)); }

std::string Error(const std::string& severity, const std::string& sqlstate, const std::string& message, int position) {
  const std::string where = position > 0 ? absl::StrCat("P", ZeroEnded(absl::StrCat(position))) : "";
  return Message('E', absl::StrCat("S", ZeroEnded(severity), "V", ZeroEnded(severity), "C", ZeroEnded(sqlstate), "M",
                                   ZeroEnded(message), where, ZeroEnded("")));
}

uint32_t ReadInt(const char* bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace sluice::testing_support::wire
