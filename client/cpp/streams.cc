// The calls that are streams.

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "client/cpp/connection.h"
#include "client/cpp/database.h"
#include "client/cpp/rpc_status.h"
#include "server/base/mutex.h"

namespace sluice::client {
namespace {

// A stream of answers. Until its first message has come it is like any other call, and made again where that is safe.
// Cancelled when it is dropped before its end.
template <typename Source, typename Request, typename Message>
class AnswerCall : public Source {
 public:
  using Method = std::unique_ptr<grpc::ClientReader<Message>> (v1::Database::Stub::*)(grpc::ClientContext*,
                                                                                      const Request&);

  AnswerCall(std::shared_ptr<const Connection> connection, Method method, Request request, const CallOptions& options)
      : connection_(std::move(connection)),
        method_(method),
        request_(std::move(request)),
        read_only_(options.read_only),
        deadline_(absl::Now() + options.timeout) {
    Start();
  }
  ~AnswerCall() override {
    if (finished_) return;
    Cancel();
    attempt_->reader->Finish();
  }

  bool Read(Message* message) override {
    for (;;) {
      if (attempt_->reader->Read(message)) return begun_ = true;
      if (begun_) return false;
      status_ = FromGrpcStatus(attempt_->reader->Finish());
      finished_ = true;
      if (!connection_->WaitToTryAgain(status_, read_only_, tries_++, deadline_) || !Start()) return false;
    }
  }
  absl::Status Finish() override {
    if (!finished_) status_ = FromGrpcStatus(attempt_->reader->Finish());
    finished_ = true;
    return status_;
  }
  void Cancel() override {
    MutexLock lock(&mu_);
    cancelled_ = true;
    attempt_->context.TryCancel();
  }

 private:
  struct Attempt {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<Message>> reader;
  };

  // False if it was cancelled meanwhile. The context is there before the call begins, which may wait for a connection.
  bool Start() {
    auto attempt = std::make_unique<Attempt>();
    connection_->Prepare(deadline_, &attempt->context);
    {
      MutexLock lock(&mu_);
      if (cancelled_) return false;
      attempt_ = std::move(attempt);
    }
    attempt_->reader = (connection_->database().*method_)(&attempt_->context, request_);
    finished_ = false;
    return true;
  }

  const std::shared_ptr<const Connection> connection_;
  const Method method_;
  const Request request_;
  const bool read_only_;
  const absl::Time deadline_;
  int tries_ = 0;
  bool begun_ = false;
  // The attempt has ended so.
  bool finished_ = false;
  absl::Status status_;

  // Of who cancels, and who makes another attempt.
  Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::unique_ptr<Attempt> attempt_;
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
  void Cancel() override { context_.TryCancel(); }

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
  using Call = AnswerCall<RowStream::Source, v1::ExecuteRequest, v1::ExecuteStreamResponse>;
  return RowStream(
      std::make_unique<Call>(connection_, &v1::Database::Stub::ExecuteStream, std::move(request), options));
}

Transaction Database::Begin(const TransactionOptions& options) const {
  v1::TransactRequest request;
  v1::TransactRequest::Begin* begin = request.mutable_begin();
  *begin->mutable_transaction() = options.transaction;
  if (options.identity.has_value()) *begin->mutable_options()->mutable_identity() = *options.identity;
  begin->mutable_options()->set_tag(options.tag);
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
    if (!is_undone || !connection_->WaitToTryAgain(status, /*may_repeat=*/false, tries, deadline)) return status;
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
  using Call = AnswerCall<CopyReader::Source, v1::CopyOutRequest, v1::CopyOutResponse>;
  return CopyReader(std::make_unique<Call>(connection_, &v1::Database::Stub::CopyOut, std::move(request), options));
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
