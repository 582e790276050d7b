#include "server/rpc/request.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/stubs/logging.h"
#include "google/protobuf/unknown_field_set.h"
#include "server/base/errors.h"
#include "sluice/v1/value.pb.h"

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

// In the message and in those that it has, but for values (one without a kind that is known here
// is refused anyway).
//
// Returns the path of one; empty if there is none.
std::string FindUnknownField(const google::protobuf::Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const google::protobuf::UnknownFieldSet& unknown = reflection.GetUnknownFields(message);
  if (!unknown.empty()) return absl::StrCat(unknown.field(0).number());
  const google::protobuf::Descriptor& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = descriptor.field(i);
    const bool may_have_some = field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE &&
                               field->message_type() != v1::Value::descriptor();
    if (!may_have_some) continue;
    if (!field->is_repeated()) {
      if (!reflection.HasField(message, field)) continue;
      const std::string path = FindUnknownField(reflection.GetMessage(message, field));
      if (!path.empty()) return absl::StrCat(field->name(), ".", path);
      continue;
    }
    for (int k = 0; k < reflection.FieldSize(message, field); ++k) {
      const std::string path = FindUnknownField(reflection.GetRepeatedMessage(message, field, k));
      if (!path.empty()) return absl::StrCat(field->name(), "[", k, "].", path);
    }
  }
  return "";
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
    const std::string unknown = FindUnknownField(*request);
    if (unknown.empty()) return absl::OkStatus();
    return errors::InvalidField(unknown,
                                "no field of this number is known here: is the gateway older than its caller?");
  }
  const std::string field = FieldWithInvalidUtf8();
  if (!field.empty()) return errors::InvalidText(field, "invalid UTF-8");
  return errors::MalformedRequest(absl::StrCat("the bytes are no ", request->GetTypeName()), "");
}

}  // namespace sluice::rpc
