#include "server/codec/encode.h"

#include <optional>

#include "server/codec/column_writer.h"

namespace sluice::codec {
namespace {

// At least so many bytes a value has in a reply.
int64_t SizeMin(v1::ColumnKind kind, absl::string_view text) {
  switch (kind) {
    case v1::COLUMN_KIND_BOOL:
    case v1::COLUMN_KIND_INT32:
    case v1::COLUMN_KIND_INT64:
    case v1::COLUMN_KIND_TIMESTAMP:
    case v1::COLUMN_KIND_TIMESTAMPTZ: return 1;
    case v1::COLUMN_KIND_DOUBLE: return sizeof(double);
    case v1::COLUMN_KIND_BYTES: return 2 + static_cast<int64_t>(text.size()) / 4;
    case v1::COLUMN_KIND_INTERVAL:
    case v1::COLUMN_KIND_ARRAY: return 2;
    default: return 2 + static_cast<int64_t>(text.size());
  }
}

enum class Encoded { kWell, kOfAnotherForm, kTooLarge };

// Takes what it needs from `bytes_left`.
Encoded EncodeColumn(const postgres::Result& result, int column, const ColumnType& type, const EncodeOptions& options,
                     int64_t* bytes_left, v1::ColumnData* data) {
  ColumnWriter writer(&type, options.timestamps_as_text, data);
  for (int row = 0; row < result.row_count(); ++row) {
    const std::optional<absl::string_view> value = result.Value(row, column);
    *bytes_left -= SizeMin(type.kind, value.value_or(""));
    if (*bytes_left < 0) return Encoded::kTooLarge;
    if (value.has_value()) {
      if (!writer.Append(*value)) return Encoded::kOfAnotherForm;
      continue;
    }
    writer.AppendNull();
    if (data->nulls().empty()) data->mutable_nulls()->Resize(result.row_count(), false);
    data->set_nulls(row, true);
  }
  return Encoded::kWell;
}

ColumnType RawBytes() {
  ColumnType type;
  type.kind = v1::COLUMN_KIND_BYTES;
  type.form_is_raw = true;
  return type;
}

}  // namespace

bool Encode(const postgres::Result& result, const std::vector<ColumnType>& types, const EncodeOptions& options,
            v1::ResultSet* out) {
  out->set_command(result.command());
  out->set_row_count(result.affected_count());
  if (result.column_count() == 0) return true;
  v1::RowBatch* rows = out->mutable_rows();
  rows->set_row_count(result.row_count());
  int64_t bytes_left = options.bytes_max;
  for (int i = 0; i < result.column_count(); ++i) {
    v1::Column* column = out->add_columns();
    DescribeColumn(result.column(i), types[i], options.timestamps_as_text, column);
    v1::ColumnData* data = rows->add_columns();
    // As its type has it; or as PostgreSQL wrote it; or, of another encoding (which a call may set
    // for itself), as bytes, since no string of Protobuf may hold it.
    const ColumnType forms[] = {types[i], ColumnType(), RawBytes()};
    for (const ColumnType& form : forms) {
      data->Clear();
      column->set_kind(KindInReply(form.kind, options.timestamps_as_text));
      const Encoded encoded = EncodeColumn(result, i, form, options, &bytes_left, data);
      if (encoded == Encoded::kTooLarge) return false;
      if (encoded == Encoded::kWell) break;
    }
  }
  return true;
}

}  // namespace sluice::codec
