#ifndef SLUICE_SERVER_CODEC_ENCODE_H_
#define SLUICE_SERVER_CODEC_ENCODE_H_

#include <cstdint>
#include <limits>
#include <vector>

#include "server/codec/column_type.h"
#include "server/postgres/result.h"
#include "sluice/v1/value.pb.h"

namespace sluice::codec {

struct EncodeOptions {
  // timestamp and timestamptz as RFC 3339 text in columns of kind TEXT.
  bool timestamps_as_text = false;
  // Given up past so many bytes: a result of many NULLs takes ten times as much memory here as
  // it took on its way.
  int64_t bytes_max = std::numeric_limits<int64_t>::max();
};

// Turns a result into typed columns. `types` has one entry for each column. A column with
// a value that is not in the form of its kind goes out as PostgreSQL wrote it, as
// COLUMN_KIND_OTHER, or as COLUMN_KIND_BYTES if that is not even UTF-8: the answer of a write
// is never lost to its form.
//
// False if it has more than options.bytes_max; `out` is of no use then.
bool Encode(const postgres::Result& result, const std::vector<ColumnType>& types, const EncodeOptions& options,
            v1::ResultSet* out);

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_ENCODE_H_
