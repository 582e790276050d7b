#ifndef SLUICE_SERVER_CODEC_ARRAY_JSON_H_
#define SLUICE_SERVER_CODEC_ARRAY_JSON_H_

#include <string>

#include "absl/strings/string_view.h"
#include "server/codec/column_type.h"

namespace sluice::codec {

// PostgreSQL's array text ({1,NULL,"a b"}, also [0:1]={1,2}) as a JSON array, appended to
// `json`. False if the text is no array; `json` has then an unspecified tail.
bool AppendArrayAsJson(absl::string_view array, ElementForm elements, char delimiter, std::string* json);

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_ARRAY_JSON_H_
