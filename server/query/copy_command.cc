#include "server/query/copy_command.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/base/utf8.h"
#include "server/query/subquery.h"
#include "server/sql/name.h"

namespace sluice::query {
namespace {

using v1::CopyFormat;

// Read the same whatever standard_conforming_strings is.
std::string QuotedText(absl::string_view text) {
  return absl::StrCat("E'", absl::StrReplaceAll(text, {{"'", "''"}, {"\\", "\\\\"}}), "'");
}

absl::StatusOr<std::string> QuotedNames(const google::protobuf::RepeatedPtrField<std::string>& names,
                                        absl::string_view field) {
  std::vector<std::string> quoted;
  for (const std::string& name : names) {
    RETURN_IF_ERROR(sql::CheckName(name, absl::StrCat(field, "[", quoted.size(), "]")));
    quoted.push_back(sql::QuotedName(name));
  }
  return absl::StrCat("(", absl::StrJoin(quoted, ", "), ")");
}

absl::StatusOr<std::string> QuotedTable(const v1::CopyTable& table) {
  constexpr int kColumnsMax = 1600;  // as PostgreSQL has it
  absl::string_view schema = table.schema(), name = table.table();
  const size_t dot = name.find('.');
  if (schema.empty() && dot != absl::string_view::npos) {
    schema = name.substr(0, dot);
    name.remove_prefix(dot + 1);
    RETURN_IF_ERROR(sql::CheckName(schema, "table.table"));
    if (name.find('.') != absl::string_view::npos) {
      return errors::InvalidField("table.table", "has two dots; with `schema` set, dots are part of the name");
    }
  }
  RETURN_IF_ERROR(sql::CheckName(name, "table.table"));
  if (!schema.empty()) RETURN_IF_ERROR(sql::CheckName(schema, "table.schema"));
  std::string text =
      schema.empty() ? sql::QuotedName(name) : absl::StrCat(sql::QuotedName(schema), ".", sql::QuotedName(name));
  if (table.columns_size() > kColumnsMax) {
    return errors::RequestTooLarge("table.columns", kColumnsMax, table.columns_size(), "columns");
  }
  if (table.columns().empty()) return text;
  ASSIGN_OR_RETURN(const std::string columns, QuotedNames(table.columns(), "table.columns"));
  return absl::StrCat(text, " ", columns);
}

// The options between the parentheses, one after the other.
class Options {
 public:
  // An option that is one byte, if it is there; `allowed` by the format.
  absl::Status AddByte(absl::string_view name, absl::string_view field, const std::string& value, bool allowed) {
    if (value.empty()) return absl::OkStatus();
    if (!allowed) return NotOfThisFormat(field);
    const auto byte = static_cast<unsigned char>(value[0]);
    if (value.size() != 1 || byte == 0 || byte >= 0x80)
      return errors::InvalidField(field, "must be one ASCII character");
    Add(name, QuotedText(value));
    return absl::OkStatus();
  }
  absl::Status AddNames(absl::string_view name, absl::string_view field,
                        const google::protobuf::RepeatedPtrField<std::string>& names, bool allowed) {
    if (names.empty()) return absl::OkStatus();
    if (!allowed) return NotOfThisFormat(field);
    ASSIGN_OR_RETURN(const std::string quoted, QuotedNames(names, field));
    Add(name, quoted);
    return absl::OkStatus();
  }
  absl::Status AddNull(const CopyFormat& format, bool allowed) {
    constexpr size_t kNullBytesMax = 1000;
    if (!format.has_null()) return absl::OkStatus();
    if (!allowed) return NotOfThisFormat("format.null");
    if (format.null().size() > kNullBytesMax || format.null().find('\0') != std::string::npos) {
      return errors::InvalidField("format.null", "must be at most 1,000 bytes, without NUL");
    }
    Add("NULL", QuotedText(format.null()));
    return absl::OkStatus();
  }
  void Add(absl::string_view name, absl::string_view value) { listed_.push_back(absl::StrCat(name, " ", value)); }
  static absl::Status NotOfThisFormat(absl::string_view field) {
    return errors::InvalidField(field, "goes with another format or direction");
  }

  std::string Listed() const { return absl::StrJoin(listed_, ", "); }

 private:
  std::vector<std::string> listed_;
};

absl::StatusOr<std::string> OptionsOf(const CopyFormat& format, bool is_in) {
  Options options;
  const bool is_csv = format.kind() == CopyFormat::CSV;
  const bool is_binary = format.kind() == CopyFormat::BINARY;
  if (!CopyFormat::Kind_IsValid(format.kind())) {
    return errors::InvalidField("format.kind", "not a format that this gateway knows");
  }
  options.Add("FORMAT", is_csv ? "csv" : is_binary ? "binary" : "text");
  if (format.header() && is_binary) return Options::NotOfThisFormat("format.header");
  if (format.header()) options.Add("HEADER", "true");
  RETURN_IF_ERROR(options.AddByte("DELIMITER", "format.delimiter", format.delimiter(), !is_binary));
  RETURN_IF_ERROR(options.AddNull(format, !is_binary));
  RETURN_IF_ERROR(options.AddByte("QUOTE", "format.quote", format.quote(), is_csv));
  RETURN_IF_ERROR(options.AddByte("ESCAPE", "format.escape", format.escape(), is_csv));
  RETURN_IF_ERROR(options.AddNames("FORCE_QUOTE", "format.force_quote", format.force_quote(), is_csv && !is_in));
  RETURN_IF_ERROR(options.AddNames("FORCE_NULL", "format.force_null", format.force_null(), is_csv && is_in));
  RETURN_IF_ERROR(
      options.AddNames("FORCE_NOT_NULL", "format.force_not_null", format.force_not_null(), is_csv && is_in));
  return options.Listed();
}

}  // namespace

absl::StatusOr<std::string> CopyInCommand(const v1::CopyInRequest::Header& header) {
  // Typed rows are written as text.
  if (!header.kinds().empty() && header.has_format()) {
    return errors::InvalidField("header.format", "is of data, and the header announces rows (kinds)");
  }
  ASSIGN_OR_RETURN(const std::string table, QuotedTable(header.table()));
  ASSIGN_OR_RETURN(const std::string options, OptionsOf(header.format(), /*is_in=*/true));
  return absl::StrCat("COPY ", table, " FROM STDIN WITH (", options, ")");
}

absl::StatusOr<std::string> CopyOutCommand(const v1::CopyOutRequest& request) {
  if (!request.has_table()) return errors::InvalidField("source", "neither a table nor a query is set");
  ASSIGN_OR_RETURN(const std::string table, QuotedTable(request.table()));
  ASSIGN_OR_RETURN(const std::string options, OptionsOf(request.format(), /*is_in=*/false));
  return absl::StrCat("COPY ", table, " TO STDOUT WITH (", options, ")");
}

absl::Status MakeCopyOut(const CopyFormat& format, absl::string_view caller_text, codec::BoundStatement* query) {
  const sql::Statement& facts = query->facts();
  if (!facts.is_plannable || facts.keyword == "EXPLAIN" || facts.keyword == "SHOW") {
    return errors::CopyOfNoQuery(facts.keyword);
  }
  ASSIGN_OR_RETURN(const std::string options, OptionsOf(format, /*is_in=*/false));
  const Subquery subquery = ReadAsSubquery(query->text);
  if (subquery.closes_too_much_at.has_value()) {
    const int position = CharacterPosition(query->text, *subquery.closes_too_much_at);
    return errors::SyntaxError("a parenthesis is closed that was not opened",
                               query->CallerPosition(caller_text, position));
  }
  // On lines of their own: the query may end in a -- comment.
  query->Wrap("COPY (\n", subquery.text.size(), absl::StrCat("\n) TO STDOUT WITH (", options, ")"));
  return absl::OkStatus();
}

}  // namespace sluice::query
