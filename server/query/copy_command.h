#ifndef SLUICE_SERVER_QUERY_COPY_COMMAND_H_
#define SLUICE_SERVER_QUERY_COPY_COMMAND_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/codec/bind.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

// COPY "app"."events" ("id") FROM STDIN WITH (FORMAT csv, HEADER true): names are quoted and options written as
// strings, whatever is in them. INVALID_FIELD for what can be none.
absl::StatusOr<std::string> CopyInCommand(const v1::CopyInRequest::Header& header);
// The same to STDOUT, of a request with a table.
absl::StatusOr<std::string> CopyOutCommand(const v1::CopyOutRequest& request);

// Makes COPY (...) TO STDOUT of a query. Also SYNTAX_ERROR for one that would end the parenthesis, and
// STATEMENT_NOT_SUPPORTED for what returns no rows.
absl::Status MakeCopyOut(const v1::CopyFormat& format, absl::string_view caller_text, codec::BoundStatement* query);

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_COPY_COMMAND_H_
