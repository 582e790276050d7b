#include "server/base/utf8.h"

#include <cstdint>
#include <cstring>

namespace sluice {
namespace {

bool IsContinuation(unsigned char c) { return (c & 0xc0) == 0x80; }

// Length of the valid character at text[i], 0 if it is not one.
size_t CharacterLength(absl::string_view text, size_t i) {
  const auto byte = [&](size_t offset) -> unsigned char {
    return i + offset < text.size() ? static_cast<unsigned char>(text[i + offset]) : 0;
  };
  const unsigned char lead = byte(0);
  if (lead == 0) return 0;
  if (lead < 0x80) return 1;
  // The second byte's range is what rules out overlong forms, surrogates and > U+10FFFF.
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  size_t length = 0;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t k = 2; k < length; ++k) {
    if (!IsContinuation(byte(k))) return 0;
  }
  return length;
}

// Whether eight bytes are all ASCII and none is NUL.
bool IsPlainWord(const char* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  const uint64_t high_bits = 0x8080808080808080u;
  const uint64_t zero_bytes = (word - 0x0101010101010101u) & ~word;
  return ((word | zero_bytes) & high_bits) == 0;
}

}  // namespace

std::optional<size_t> FindInvalidUtf8(absl::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    if (i + 8 <= text.size() && IsPlainWord(text.data() + i)) {
      i += 8;
      continue;
    }
    const size_t length = CharacterLength(text, i);
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

std::string WithoutInvalidUtf8(absl::string_view text) {
  std::string valid;
  while (std::optional<size_t> bad = FindInvalidUtf8(text)) {
    valid.append(text.data(), *bad);
    valid += u8"\uFFFD";
    text.remove_prefix(*bad + 1);
  }
  valid.append(text.data(), text.size());
  return valid;
}

int CharacterPosition(absl::string_view text, size_t byte) {
  int position = 1;
  for (size_t i = 0; i < byte && i < text.size(); ++i) {
    if (!IsContinuation(static_cast<unsigned char>(text[i]))) ++position;
  }
  return position;
}

size_t ByteOfCharacter(absl::string_view text, int position) {
  int seen = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsContinuation(static_cast<unsigned char>(text[i])) && ++seen == position) return i;
  }
  return text.size();
}

absl::string_view Utf8Prefix(absl::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && IsContinuation(static_cast<unsigned char>(text[end]))) --end;
  return text.substr(0, end);
}

}  // namespace sluice
