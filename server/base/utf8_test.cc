#include "server/base/utf8.h"

#include <string>

#include "gtest/gtest.h"

namespace sluice {
namespace {

TEST(Utf8Test, TakesEveryLengthOfCharacter) {
  EXPECT_EQ(FindInvalidUtf8("plain ascii, long enough for the fast path"), std::nullopt);
  EXPECT_EQ(FindInvalidUtf8(u8"é € 𝄞 \u0080 \uffff \U0010ffff"), std::nullopt);
  EXPECT_EQ(FindInvalidUtf8(""), std::nullopt);
}

TEST(Utf8Test, RefusesWhatAServerWouldMisread) {
  for (const char* bad : {"\xc0'", "\xc0\xa7", "\xc1\xbf", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xff", "\x80", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf"}) {
    EXPECT_EQ(FindInvalidUtf8(std::string("ok ") + bad), 3u) << bad;
  }
}

TEST(Utf8Test, FindsANulByteWhereverItIs) {
  for (size_t at : {0u, 3u, 7u, 8u, 15u, 16u}) {
    std::string text(20, 'x');
    text[at] = '\0';
    EXPECT_EQ(FindInvalidUtf8(text), at);
  }
}

TEST(Utf8Test, CountsCharactersNotBytes) {
  const std::string text = u8"aé€b";
  EXPECT_EQ(CharacterPosition(text, 0), 1);
  EXPECT_EQ(CharacterPosition(text, 3), 3);
  EXPECT_EQ(CharacterPosition(text, 6), 4);
  EXPECT_EQ(ByteOfCharacter(text, 3), 3u);
  EXPECT_EQ(ByteOfCharacter(text, 4), 6u);
  EXPECT_EQ(ByteOfCharacter(text, 9), text.size());
}

TEST(Utf8Test, CutsBetweenCharacters) {
  EXPECT_EQ(Utf8Prefix(u8"aé", 2), "a");
  EXPECT_EQ(Utf8Prefix(u8"aé", 3), u8"aé");
}

TEST(Utf8Test, InvalidBytesAreReplaced) {
  EXPECT_EQ(WithoutInvalidUtf8("caf\xe9 \xff"), u8"caf\uFFFD \uFFFD");
  EXPECT_EQ(WithoutInvalidUtf8(u8"café"), u8"café");
  EXPECT_EQ(WithoutInvalidUtf8(""), "");
}

}  // namespace
}  // namespace sluice
