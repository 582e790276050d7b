#include "server/query/request_id.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/errors.h"

namespace sluice::query {
namespace {

constexpr size_t kIdBytesMax = 200;
constexpr char kField[] = "options.request_id";

// Deterministic: a client may write its fields in any order.
std::string Hash(absl::string_view method, const google::protobuf::Message& request) {
  std::string bytes = absl::StrCat(method, ":");
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&coded);
  }
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash), sizeof(hash)));
}

template <typename Request>
absl::StatusOr<std::optional<RequestId>> Of(absl::string_view method, const Request& request,
                                            const auth::Caller& caller) {
  const std::string& id = request.options().request_id();
  if (id.empty() || request.options().read_only()) return std::nullopt;
  if (id.size() > kIdBytesMax)
    return errors::InvalidField(kField, absl::StrCat("has more than ", kIdBytesMax, " bytes"));
  if (id.find('\0') != std::string::npos) return errors::InvalidText(kField, "a NUL");
  Request rest = request;
  // How it is served is no part of what is asked for.
  rest.mutable_options()->clear_request_id();
  rest.mutable_options()->clear_alone();
  rest.mutable_options()->clear_priority();
  rest.mutable_options()->clear_tag();
  return RequestId{caller.name, id, Hash(method, rest)};
}

}  // namespace

absl::StatusOr<std::optional<RequestId>> RequestIdOf(const v1::ExecuteRequest& request, const auth::Caller& caller) {
  return Of("Execute", request, caller);
}

absl::StatusOr<std::optional<RequestId>> RequestIdOf(const v1::ExecuteBatchRequest& request,
                                                     const auth::Caller& caller) {
  const bool has_one = !request.options().request_id().empty() && !request.options().read_only();
  if (request.mode() == v1::ExecuteBatchRequest::INDEPENDENT && has_one) {
    return errors::InvalidField(kField,
                                "an INDEPENDENT batch is many transactions: give each statement a call and an id");
  }
  return Of("ExecuteBatch", request, caller);
}

}  // namespace sluice::query
