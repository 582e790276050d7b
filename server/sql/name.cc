#include "server/sql/name.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/base/errors.h"

namespace sluice::sql {

absl::Status CheckName(absl::string_view name, absl::string_view field) {
  constexpr size_t kNameBytesMax = 63;
  if (name.empty() || name.size() > kNameBytesMax || name.find('\0') != absl::string_view::npos) {
    return errors::InvalidField(field, "a name has 1 to 63 bytes, and no NUL");
  }
  return absl::OkStatus();
}

std::string QuotedName(absl::string_view name) {
  return absl::StrCat("\"", absl::StrReplaceAll(name, {{"\"", "\"\""}}), "\"");
}

}  // namespace sluice::sql
