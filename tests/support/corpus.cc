#include "tests/support/corpus.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace sluice::testing_support {
namespace {

using Json = nlohmann::json;

std::string AsText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "t" : "f";
  return value.dump();
}

void SetScalar(const std::string& type, const std::string& text, v1::Value* out) {
  int64_t number = 0;
  if (type == "unspecified") {
    out->set_text_value(text);
  } else if (type == "bool") {
    out->set_bool_value(text == "t" || text == "true");
  } else if (type == "int4" && absl::SimpleAtoi(text, &number)) {
    out->set_int32_value(static_cast<int32_t>(number));
  } else if (type == "int8" && absl::SimpleAtoi(text, &number)) {
    out->set_int64_value(number);
  } else if (type == "float8" && (std::isfinite(std::strtod(text.c_str(), nullptr)) || !absl::ascii_isdigit(text[0]))) {
    out->set_double_value(std::strtod(text.c_str(), nullptr));
  } else if (type == "numeric") {
    out->set_numeric_value(text);
  } else if (type == "bytea") {
    out->set_bytes_value(text);
  } else if (type == "uuid") {
    out->set_uuid_value(text);
  } else if (type == "jsonb") {
    out->set_json_value(text);
  } else {
    out->set_text_value(text);
    out->set_type_name(type);
  }
}

// Elements as plain texts: the array's element_type says what they are.
void SetElements(const Json& values, v1::ArrayValue* out) {
  for (const Json& value : values) {
    v1::Value* element = out->add_elements();
    if (value.is_null()) {
      element->set_null_value(google::protobuf::NULL_VALUE);
    } else if (value.is_array()) {
      SetElements(value, element->mutable_array_value());
    } else {
      element->set_text_value(AsText(value));
    }
  }
}

void SetParameter(const Json& parameter, v1::Value* out) {
  const std::string type = parameter["type"];
  if (parameter.contains("value_hex")) {
    const std::string bytes = absl::HexStringToBytes(parameter["value_hex"].get<std::string>());
    type == "bytea" ? out->set_bytes_value(bytes) : out->set_text_value(bytes);
  } else if (parameter["value"].is_null()) {
    out->set_null_value(google::protobuf::NULL_VALUE);
    if (type != "unspecified") out->set_type_name(type);
  } else if (parameter["value"].is_array()) {
    SetElements(parameter["value"], out->mutable_array_value());
    out->mutable_array_value()->set_element_type(type.substr(0, type.size() - 2));
  } else {
    SetScalar(type, AsText(parameter["value"]), out);
  }
}

BindingCase ReadCase(const Json& json) {
  BindingCase read;
  read.name = json["name"];
  read.statement.set_sql(json.contains("sql_hex") ? absl::HexStringToBytes(json["sql_hex"].get<std::string>())
                                                  : json["sql"].get<std::string>());
  for (const Json& parameter : json["params"]) SetParameter(parameter, read.statement.add_params());
  if (json.contains("session")) read.session = json["session"].get<std::vector<std::string>>();
  const Json& expect = json["expect"];
  if (expect.contains("error")) {
    read.error = expect["error"];
  } else {
    for (const Json& row : expect["rows"]) {
      auto& values = read.rows.emplace_back();
      for (const Json& value : row) {
        values.push_back(value.is_null() ? std::nullopt : std::optional<std::string>(AsText(value)));
      }
    }
    read.type_oids = expect["types"].get<std::vector<uint32_t>>();
  }
  read.may_reject = json.value("may_reject", false);
  read.must_reject = json.value("must_reject", false);
  read.diverges = json.contains("divergence");
  return read;
}

}  // namespace

std::vector<BindingCase> ReadBindingCases(const std::string& path) {
  std::ifstream file(path);
  std::vector<BindingCase> cases;
  std::string line;
  while (std::getline(file, line)) cases.push_back(ReadCase(Json::parse(line)));
  return cases;
}

std::optional<std::string> PostgresText(const v1::ResultSet& result, int row, int column) {
  const v1::ColumnData& data = result.rows().columns(column);
  if (row < data.nulls_size() && data.nulls(row)) return std::nullopt;
  switch (result.columns(column).kind()) {
    case v1::COLUMN_KIND_BOOL: return data.bools(row) ? "t" : "f";
    case v1::COLUMN_KIND_INT32: return absl::StrCat(data.int32s(row));
    case v1::COLUMN_KIND_INT64:
    case v1::COLUMN_KIND_TIMESTAMP:
    case v1::COLUMN_KIND_TIMESTAMPTZ: return absl::StrCat(data.int64s(row));
    case v1::COLUMN_KIND_DOUBLE: {
      char text[64];
      std::snprintf(text, sizeof(text), "%.17g", data.doubles(row));
      return text;
    }
    case v1::COLUMN_KIND_BYTES: return absl::StrCat("\\x", absl::BytesToHexString(data.blobs(row)));
    default: return data.texts(row);
  }
}

std::string InFormOfKind(const std::string& text, const v1::Column& column, Direct* oracle) {
  const std::string literal = absl::StrCat("E'", absl::StrReplaceAll(text, {{"'", "''"}, {"\\", "\\\\"}}), "'");
  switch (column.kind()) {
    case v1::COLUMN_KIND_TIMESTAMP:
    case v1::COLUMN_KIND_TIMESTAMPTZ:
      if (text == "infinity") return "9223372036854775807";
      if (text == "-infinity") return "-9223372036854775808";
      return oracle->Value(
          absl::StrCat("SELECT (extract(epoch FROM ", literal, "::", column.type_name(), ") * 1000000)::int8"));
    case v1::COLUMN_KIND_DOUBLE: {
      char digits[64];
      std::snprintf(digits, sizeof(digits), "%.17g", std::strtod(text.c_str(), nullptr));
      return digits;
    }
    case v1::COLUMN_KIND_INTERVAL:
      oracle->Run("SET intervalstyle = 'iso_8601'");
      return oracle->Value(absl::StrCat("SELECT ", literal, "::interval"));
    case v1::COLUMN_KIND_ARRAY:
      // Element by element as text: numbers and bools bare, all else as strings.
      return oracle->Value(absl::StrCat(
          "SELECT array_to_json(", literal, "::",
          column.type_name() == "integer[]" || column.type_name() == "boolean[]" ? column.type_name() : "text[]", ")"));
    default: return text;
  }
}

}  // namespace sluice::testing_support
