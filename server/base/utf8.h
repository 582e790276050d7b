#ifndef SLUICE_SERVER_BASE_UTF8_H_
#define SLUICE_SERVER_BASE_UTF8_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice {

// Where the text stops being UTF-8 that PostgreSQL takes (no NUL, no overlong form, no
// surrogate, nothing past U+10FFFF), in bytes; nullopt if it is all good.
//
// Checked before any quoting: an escaper that meets half a character can be made to
// swallow the closing quote (CVE-2025-1094).
std::optional<size_t> FindInvalidUtf8(absl::string_view text);

// The text with U+FFFD for each byte that is not of a valid character, and for NUL.
std::string WithoutInvalidUtf8(absl::string_view text);

// 1-based position in characters of a byte of valid UTF-8, as PostgreSQL counts.
int CharacterPosition(absl::string_view text, size_t byte);

// Byte of the 1-based character position; text.size() if it is past the end.
size_t ByteOfCharacter(absl::string_view text, int position);

// The longest head of `text` of at most `bytes_max` bytes that ends between characters.
absl::string_view Utf8Prefix(absl::string_view text, size_t bytes_max);

}  // namespace sluice

#endif  // SLUICE_SERVER_BASE_UTF8_H_
