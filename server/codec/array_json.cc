#include "server/codec/array_json.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice::codec {
namespace {

void AppendJsonString(absl::string_view text, std::string* json) {
  *json += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      *json += '\\';
      *json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(json, "\\u%04x", static_cast<int>(c));
    } else {
      *json += c;
    }
  }
  *json += '"';
}

class ArrayReader {
 public:
  ArrayReader(absl::string_view text, ElementForm elements, char delimiter, std::string* json)
      : text_(text), elements_(elements), delimiter_(delimiter), json_(*json) {}

  bool Read() {
    SkipBounds();
    return ReadArray(0) && position_ == text_.size();
  }

 private:
  // [0:2][1:3]= in front of an array whose subscripts do not begin at 1.
  void SkipBounds() {
    if (Peek() != '[') return;
    const size_t equals = text_.find('=');
    if (equals != absl::string_view::npos) position_ = equals + 1;
  }

  bool ReadArray(int depth) {
    constexpr int kDepthMax = 16;  // PostgreSQL's arrays have at most 6 dimensions
    if (depth > kDepthMax || !Take('{')) return false;
    json_ += '[';
    if (!Take('}')) {
      do {
        if (json_.back() != '[') json_ += ',';
        if (!(Peek() == '{' ? ReadArray(depth + 1) : ReadElement())) return false;
      } while (Take(delimiter_));
      if (!Take('}')) return false;
    }
    json_ += ']';
    return true;
  }

  bool ReadElement() {
    std::string value;
    if (Take('"')) {
      for (;;) {
        if (position_ >= text_.size()) return false;
        char c = text_[position_++];
        if (c == '"') break;
        if (c == '\\') {
          if (position_ >= text_.size()) return false;
          c = text_[position_++];
        }
        value += c;
      }
      return AppendElement(value);
    }
    while (position_ < text_.size() && text_[position_] != delimiter_ && text_[position_] != '}') {
      if (text_[position_] == '\\' && position_ + 1 < text_.size()) ++position_;
      value += text_[position_++];
    }
    if (value.empty()) return false;
    if (value == "NULL") {
      json_ += "null";
      return true;
    }
    return AppendElement(value);
  }

  bool AppendElement(const std::string& value) {
    switch (elements_) {
      case ElementForm::kBool:
        if (value != "t" && value != "f") return false;
        json_ += value == "t" ? "true" : "false";
        return true;
      case ElementForm::kNumber: {
        // NaN and the infinities have no number in JSON.
        const bool finite = absl::ascii_isdigit(value.back());
        if (finite) {
          json_ += value;
          return true;
        }
        break;
      }
      case ElementForm::kString: break;
    }
    AppendJsonString(value, &json_);
    return true;
  }

  char Peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
  bool Take(char c) {
    if (Peek() != c || position_ >= text_.size()) return false;
    ++position_;
    return true;
  }

  const absl::string_view text_;
  const ElementForm elements_;
  const char delimiter_;
  std::string& json_;
  size_t position_ = 0;
};

}  // namespace

bool AppendArrayAsJson(absl::string_view array, ElementForm elements, char delimiter, std::string* json) {
  return ArrayReader(array, elements, delimiter, json).Read();
}

}  // namespace sluice::codec
