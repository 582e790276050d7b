// The work of CopyIn and CopyOut.

#include <optional>
#include <utility>

#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/query/copy_in.h"
#include "server/query/copy_out.h"
#include "server/rpc/outgoing.h"
#include "server/rpc/request.h"
#include "server/rpc/work.h"

namespace sluice::rpc {
namespace {

class CopyIn : public RequestWork {
 public:
  explicit CopyIn(Requests in) : in_(std::move(in)) {}

  absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller& caller, const Limits& limits) override {
    in_.set_bytes_max(limits.request_bytes_max);
    in_.incoming().set_first_limit(limits.query.sender_silence_max);
    v1::CopyInRequest request;
    RETURN_IF_ERROR(ParseRequest(bytes, limits.request_bytes_max, &request));
    set_tag(request.header().options());
    if (!request.has_header()) return errors::InvalidField("header", "the first message is the header");
    ASSIGN_OR_RETURN(query::CopyIn copy, query::CopyIn::Of(request.header(), caller, limits.query));
    copy_.emplace(std::move(copy));
    return absl::OkStatus();
  }

  admission::Lane lane() const override { return admission::Lane::kHeld; }
  admission::Priority priority() const override { return copy_->priority(); }
  query::TurnEnd Run(query::Turn* turn) override { return copy_->Run(turn, &in_, &response_); }
  void StopWaiting(const absl::Status& why) override { in_.incoming().StopWaiting(why); }
  const google::protobuf::Message* response() const override { return &response_; }
  size_t bytes() const override { return sizeof(*this) + copy_->bytes() + in_.incoming().bytes(); }
  std::vector<std::string> StatementTexts() const override { return {copy_->command()}; }

 private:
  Requests in_;
  std::optional<query::CopyIn> copy_;
  v1::CopyInResponse response_;
};

class CopyOut : public RequestWork {
 public:
  CopyOut(Workshop* shop, std::shared_ptr<Outgoing> stream) : shop_(*shop), stream_(std::move(stream)) {}

  absl::Status Prepare(const grpc::ByteBuffer& bytes, const auth::Caller& caller, const Limits& limits) override {
    RETURN_IF_ERROR(ParseRequest(bytes, limits.request_bytes_max, &request_));
    set_tag(request_.options());
    ASSIGN_OR_RETURN(plan_, query::PlanCopyOut(request_, caller, limits.query, &shop_.book));
    return absl::OkStatus();
  }

  admission::Lane lane() const override { return admission::Lane::kHeld; }
  admission::Priority priority() const override { return plan_.priority; }
  query::TurnEnd Run(query::Turn* turn) override { return query::CopyOut(plan_, turn, stream_.get()); }
  void StopWaiting(const absl::Status&) override { stream_->StopWaiting(); }
  size_t bytes() const override { return request_.SpaceUsedLong() + plan_.bytes(); }
  // Without the values of its parameters.
  std::vector<std::string> StatementTexts() const override {
    return {request_.has_query() ? request_.query().sql() : plan_.statements[0].bound.text};
  }

 private:
  Workshop& shop_;
  const std::shared_ptr<Outgoing> stream_;
  v1::CopyOutRequest request_;
  query::Plan plan_;
};

}  // namespace

std::unique_ptr<RequestWork> CopyInWork(Requests in) { return std::make_unique<CopyIn>(std::move(in)); }

std::unique_ptr<RequestWork> CopyOutWork(Workshop* shop, std::shared_ptr<Outgoing> stream) {
  return std::make_unique<CopyOut>(shop, std::move(stream));
}

}  // namespace sluice::rpc
