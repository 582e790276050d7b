#ifndef SLUICE_CLIENT_CPP_ROW_STREAM_H_
#define SLUICE_CLIENT_CPP_ROW_STREAM_H_

#include <cstddef>
#include <iterator>
#include <memory>

#include "absl/status/status.h"
#include "client/cpp/result.h"
#include "sluice/v1/database.pb.h"

namespace sluice::client {

// The rows of an answer of any size, one after the other while they come:
//
//   client::RowStream people = db.Stream("SELECT id, name FROM people");
//   for (client::Row row : people) std::cout << *row.Get<int64_t>("id") << "\n";
//   if (!people.status().ok()) ...    // the statement failed: what was read is not its whole answer
//
// Whoever does not read makes PostgreSQL wait. Destroyed before its end, it cancels the statement.
// Movable; not thread-safe.
class RowStream {
 public:
  // What the messages come from.
  class Source {
   public:
    virtual ~Source() = default;
    // Waits for the next message; false at the end.
    virtual bool Read(v1::ExecuteStreamResponse* message) = 0;
    // After Read was false: how it ended.
    virtual absl::Status Finish() = 0;
    // From any thread: Read ends.
    virtual void Cancel() = 0;
  };
  explicit RowStream(std::unique_ptr<Source> source);
  RowStream(RowStream&&) noexcept;
  RowStream& operator=(RowStream&&) noexcept;
  ~RowStream();

  // An input iterator: a Row is good until the next one.
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Row;
    using difference_type = std::ptrdiff_t;
    using pointer = const Row*;
    using reference = Row;

    // The end of any stream.
    Iterator() = default;
    explicit Iterator(RowStream* stream) : stream_(stream) {}
    Row operator*() const { return stream_->current(); }
    Iterator& operator++() {
      if (!stream_->Next()) stream_ = nullptr;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return stream_ != other.stream_; }
    bool operator==(const Iterator& other) const { return stream_ == other.stream_; }

   private:
    RowStream* stream_ = nullptr;
  };
  // Goes on where the last row was.
  Iterator begin() { return Next() ? Iterator(this) : Iterator(); }
  Iterator end() { return Iterator(); }

  // The same by hand: whether there is another row, and which.
  bool Next();
  Row current() const;

  // For whoever takes many at once: the rest of this batch is skipped, and the next one is in batch(), which has the
  // columns and its rows.
  bool NextBatch();
  const v1::ResultSet& batch() const;

  // From any thread, while the stream lives and is read: the statement is cancelled, and the stream ends with that.
  void Cancel();

  // No more comes.
  bool has_ended() const;
  // OK until the stream has failed; final when there are no more rows.
  const absl::Status& status() const;
  // Known when the first row is, or the end has come.
  const google::protobuf::RepeatedPtrField<v1::Column>& columns() const;
  // The tag, the number of rows, notices and costs: after the end of a stream that has not failed.
  const v1::ExecuteStreamResponse::Summary& summary() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::client

#endif  // SLUICE_CLIENT_CPP_ROW_STREAM_H_
