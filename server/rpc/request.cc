#include "server/rpc/request.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/stubs/logging.h"
#include "google/protobuf/unknown_field_set.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"

namespace sluice::rpc {
namespace {

// What protobuf logged last on this thread: its only word on why a parse failed.
thread_local std::string last_protobuf_log;

void KeepLog(google::protobuf::LogLevel, const char*, int, const std::string& message) { last_protobuf_log = message; }

// "String field 'sluice.v1.Statement.sql' contains invalid UTF-8 data ..."
std::string FieldWithInvalidUtf8() {
  const std::vector<std::string> parts = absl::StrSplit(last_protobuf_log, absl::MaxSplits('\'', 2));
  if (parts.size() < 3 || last_protobuf_log.find("invalid UTF-8") == std::string::npos) return "";
  return parts[1].substr(parts[1].find_last_of('.') + 1);
}

// In the message and in those that it has, but for lists (a Value without a kind that is known
// here is refused anyway).
absl::Status RefuseUnknownFields(const google::protobuf::Message& message, const std::string& path) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const google::protobuf::UnknownFieldSet& unknown = reflection.GetUnknownFields(message);
  if (!unknown.empty()) {
    return errors::InvalidField(absl::StrCat(path, unknown.field(0).number()),
                                "no field of this number is known here: is the gateway older than its caller?");
  }
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    if (field->is_repeated() || field->message_type() == nullptr) continue;
    RETURN_IF_ERROR(RefuseUnknownFields(reflection.GetMessage(message, field), absl::StrCat(path, field->name(), ".")));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseRequest(const grpc::ByteBuffer& bytes, int64_t bytes_max, google::protobuf::Message* request) {
  if (static_cast<int64_t>(bytes.Length()) > bytes_max) {
    return errors::RequestTooLarge("request", bytes_max, static_cast<int64_t>(bytes.Length()), "bytes");
  }
  static const bool logs_are_kept = [] {
    google::protobuf::SetLogHandler(KeepLog);
    return true;
  }();
  (void)logs_are_kept;
  last_protobuf_log.clear();
  grpc::ByteBuffer copy(bytes);  // a reference count
  grpc::ProtoBufferReader reader(&copy);
  if (reader.status().ok() && request->ParseFromZeroCopyStream(&reader)) {
    return RefuseUnknownFields(*request, "");
  }
  const std::string field = FieldWithInvalidUtf8();
  if (!field.empty()) return errors::InvalidText(field, "invalid UTF-8");
  return errors::MalformedRequest(absl::StrCat("the bytes are no ", request->GetTypeName()), "");
}

}  // namespace sluice::rpc
