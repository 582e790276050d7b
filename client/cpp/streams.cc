// The calls that are streams.

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "client/cpp/connection.h"
#include "client/cpp/database.h"
#include "client/cpp/rpc_status.h"

namespace sluice::client {
namespace {

// A stream of answers whose first message has come: until then it is like any other call. Cancelled when it is
// dropped before its end.
template <typename Source, typename Message>
class AnswerCall : public Source {
 public:
  template <typename Request>
  using Method = std::unique_ptr<grpc::ClientReader<Message>> (v1::Database::Stub::*)(grpc::ClientContext*,
                                                                                      const Request&);

  // Begins it, again where that is safe; the error if that is of no use.
  template <typename Request>
  static absl::StatusOr<std::unique_ptr<AnswerCall>> Begin(const Connection& connection, Method<Request> method,
                                                           const Request& request, const CallOptions& options) {
    const absl::Time deadline = absl::Now() + options.timeout;
    for (int tries = 0;; ++tries) {
      auto call = std::make_unique<AnswerCall>();
      connection.Prepare(deadline, &call->context_);
      call->reader_ = (connection.database().*method)(&call->context_, request);
      call->has_first_ = call->reader_->Read(&call->first_);
      if (call->has_first_) return call;
      const absl::Status status = call->Finish();
      if (!connection.WaitToTryAgain(status, options.read_only, tries, deadline)) return status;
    }
  }

  ~AnswerCall() override {
    if (finished_) return;
    context_.TryCancel();
    reader_->Finish();
  }

  bool Read(Message* message) override {
    if (!has_first_) return reader_->Read(message);
    has_first_ = false;
    message->Swap(&first_);
    return true;
  }
  absl::Status Finish() override {
    finished_ = true;
    return FromGrpcStatus(reader_->Finish());
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<Message>> reader_;
  Message first_;
  bool has_first_ = false;
  bool finished_ = false;
};

class TransactCall : public Transaction::Wire {
 public:
  TransactCall(const Connection& connection, absl::Time deadline, const v1::TransactRequest& begin) {
    connection.Prepare(deadline, &context_);
    stream_ = connection.database().Transact(&context_);
    stream_->Write(begin);
  }
  ~TransactCall() override {
    if (finished_) return;
    context_.TryCancel();
    stream_->Finish();
  }

  bool Write(const v1::TransactRequest& request) override { return stream_->Write(request); }
  bool Read(v1::TransactResponse* response) override { return stream_->Read(response); }
  absl::Status Finish() override {
    finished_ = true;
    return FromGrpcStatus(stream_->Finish());
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::TransactRequest, v1::TransactResponse>> stream_;
  bool finished_ = false;
};

class CopyInCall : public CopyWriter::Wire {
 public:
  CopyInCall(const Connection& connection, absl::Time deadline, const v1::CopyInRequest& header) {
    connection.Prepare(deadline, &context_);
    stream_ = connection.database().CopyIn(&context_, &response_);
    stream_->Write(header);
  }
  ~CopyInCall() override {
    if (finished_) return;
    context_.TryCancel();
    stream_->Finish();
  }

  bool Write(const v1::CopyInRequest& request) override { return stream_->Write(request); }
  absl::Status Finish(v1::CopyInResponse* response) override {
    finished_ = true;
    stream_->WritesDone();
    absl::Status status = FromGrpcStatus(stream_->Finish());
    response->Swap(&response_);
    return status;
  }

 private:
  grpc::ClientContext context_;
  v1::CopyInResponse response_;
  std::unique_ptr<grpc::ClientWriter<v1::CopyInRequest>> stream_;
  bool finished_ = false;
};

class ListenCall : public Subscription::Source {
 public:
  ListenCall(const Connection& connection, const v1::ListenRequest& request) {
    connection.Prepare(absl::InfiniteFuture(), &context_);
    reader_ = connection.database().Listen(&context_, request);
  }
  ~ListenCall() override {
    if (finished_) return;
    context_.TryCancel();
    reader_->Finish();
  }

  bool Read(v1::ListenResponse* event) override { return reader_->Read(event); }
  absl::Status Finish() override {
    finished_ = true;
    return FromGrpcStatus(reader_->Finish());
  }
  void Cancel() override { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::ListenResponse>> reader_;
  bool finished_ = false;
};

}  // namespace

CallOptions Database::StreamOptions() {
  CallOptions options;
  options.timeout = absl::Hours(1);
  return options;
}

RowStream Database::Stream(const Statement& statement, const CallOptions& options) const {
  v1::ExecuteRequest request;
  *request.mutable_statement() = statement.proto();
  *request.mutable_options() = ToProto(options);
  *request.mutable_transaction() = options.transaction;
  using Call = AnswerCall<RowStream::Source, v1::ExecuteStreamResponse>;
  auto call = Call::Begin<v1::ExecuteRequest>(*connection_, &v1::Database::Stub::ExecuteStream, request, options);
  return call.ok() ? RowStream(*std::move(call)) : RowStream(call.status());
}

Transaction Database::Begin(const TransactionOptions& options) const {
  v1::TransactRequest request;
  v1::TransactRequest::Begin* begin = request.mutable_begin();
  *begin->mutable_transaction() = options.transaction;
  if (options.identity.has_value()) *begin->mutable_options()->mutable_identity() = *options.identity;
  *begin->mutable_options()->mutable_result() = options.result;
  const auto to_proto = [](absl::Duration duration) {
    return google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(duration));
  };
  *begin->mutable_idle_timeout() = to_proto(options.idle_timeout);
  *begin->mutable_max_lifetime() = to_proto(std::min(options.timeout, absl::Hours(1)));
  const absl::Time deadline = absl::Now() + options.timeout;
  return Transaction(std::make_unique<TransactCall>(*connection_, deadline, request));
}

absl::Status Database::RunTransaction(const std::function<absl::Status(Transaction&)>& work,
                                      const TransactionOptions& options) const {
  const absl::Time deadline = absl::Now() + options.timeout;
  for (int tries = 0;; ++tries) {
    TransactionOptions rest = options;
    rest.timeout = deadline - absl::Now();
    Transaction transaction = Begin(rest);
    absl::Status status = work(transaction);
    if (status.ok() && transaction.state() != v1::TransactResponse::COMMITTED) status = transaction.Commit();
    if (status.ok()) return status;
    const bool is_undone = transaction.state() != v1::TransactResponse::COMMITTED &&
                           transaction.state() != v1::TransactResponse::OUTCOME_UNKNOWN;
    if (!is_undone || !connection_->WaitToTryAgain(status, /*read_only=*/false, tries, deadline)) return status;
  }
}

CopyWriter Database::CopyIn(const v1::CopyTable& table, const v1::CopyFormat& format,
                            const CallOptions& options) const {
  v1::CopyInRequest::Header header;
  *header.mutable_table() = table;
  *header.mutable_format() = format;
  return BeginCopy(std::move(header), options);
}

CopyWriter Database::BeginCopy(v1::CopyInRequest::Header header, const CallOptions& options) const {
  v1::CopyInRequest request;
  *header.mutable_options() = ToProto(options);
  request.mutable_header()->Swap(&header);
  const absl::Time deadline = absl::Now() + options.timeout;
  return CopyWriter(std::make_unique<CopyInCall>(*connection_, deadline, request));
}

CopyReader Database::CopyOut(const v1::CopyTable& table, const v1::CopyFormat& format,
                             const CallOptions& options) const {
  v1::CopyOutRequest request;
  *request.mutable_table() = table;
  *request.mutable_format() = format;
  return BeginCopyOut(std::move(request), options);
}

CopyReader Database::CopyOut(const Statement& query, const v1::CopyFormat& format, const CallOptions& options) const {
  v1::CopyOutRequest request;
  *request.mutable_query() = query.proto();
  *request.mutable_format() = format;
  return BeginCopyOut(std::move(request), options);
}

CopyReader Database::BeginCopyOut(v1::CopyOutRequest request, const CallOptions& options) const {
  *request.mutable_options() = ToProto(options);
  *request.mutable_transaction() = options.transaction;
  using Call = AnswerCall<CopyReader::Source, v1::CopyOutResponse>;
  auto call = Call::Begin<v1::CopyOutRequest>(*connection_, &v1::Database::Stub::CopyOut, request, options);
  return call.ok() ? CopyReader(*std::move(call)) : CopyReader(call.status());
}

Subscription Database::Listen(const std::vector<std::string>& channels, absl::Duration patience) const {
  v1::ListenRequest request;
  for (const std::string& channel : channels) request.add_channels(channel);
  return Subscription(
      [connection = connection_, request]() -> std::unique_ptr<Subscription::Source> {
        return std::make_unique<ListenCall>(*connection, request);
      },
      patience);
}

}  // namespace sluice::client
