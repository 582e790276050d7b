#ifndef SLUICE_SERVER_CODEC_COLUMN_WRITER_H_
#define SLUICE_SERVER_CODEC_COLUMN_WRITER_H_

#include "absl/strings/string_view.h"
#include "server/codec/column_type.h"
#include "server/postgres/result.h"
#include "sluice/v1/value.pb.h"

namespace sluice::codec {

// The kind that values of a kind have in a reply.
v1::ColumnKind KindInReply(v1::ColumnKind kind, bool timestamps_as_text);

// A column as a header of rows has it.
void DescribeColumn(const postgres::ColumnFacts& facts, const ColumnType& type, bool timestamps_as_text,
                    v1::Column* out);

// One column of a result, written value by value into the array that its kind names. `type` and `data`
// must outlive it.
class ColumnWriter {
 public:
  ColumnWriter(const ColumnType* type, bool timestamps_as_text, v1::ColumnData* data)
      : type_(*type), as_text_(timestamps_as_text), data_(*data) {}

  // False if the text is not of the column's kind.
  bool Append(absl::string_view text);
  // A placeholder where the value is NULL.
  void AppendNull();

 private:
  bool AppendText(absl::string_view text);
  bool AppendTimestamp(absl::string_view text);

  const ColumnType& type_;
  const bool as_text_;
  v1::ColumnData& data_;
};

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_COLUMN_WRITER_H_
