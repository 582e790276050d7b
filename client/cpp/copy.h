#ifndef SLUICE_CLIENT_CPP_COPY_H_
#define SLUICE_CLIENT_CPP_COPY_H_

// COPY through a gateway: whole tables, in and out, in flat memory.
//
//   client::CopyWriter events = db.CopyIn(client::Table("app.events", {"id", "name"}));
//   events.Write("1\tlogin\n2\tlogout\n");
//   absl::StatusOr<int64_t> rows = events.Commit();
//
//   client::RowWriter<int64_t, std::optional<std::string>> rows =
//       db.CopyRows<int64_t, std::optional<std::string>>(client::Table("app.events", {"id", "name"}));
//   rows.Write(1, "login");
//   absl::StatusOr<int64_t> count = rows.Commit();
//
//   client::CopyReader dump = db.CopyOut(client::Table("app.events"));
//   for (std::string piece; dump.Read(&piece);) file << piece;
//   if (!dump.status().ok()) ...

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "client/cpp/value.h"
#include "sluice/v1/database.pb.h"

namespace sluice::client {

// A table, or some columns of it. Names are taken as they are; "app.events" is one in a schema.
v1::CopyTable Table(absl::string_view name, const std::vector<std::string>& columns = {});

// Loads rows into a table: all of them or none. Destroyed before Commit(), it takes everything back. Movable; not
// thread-safe.
class CopyWriter {
 public:
  // What carries the messages.
  class Wire {
   public:
    virtual ~Wire() = default;
    // False when the copy has ended.
    virtual bool Write(const v1::CopyInRequest& request) = 0;
    // Says that this was all, and waits for what became of it.
    virtual absl::Status Finish(v1::CopyInResponse* response) = 0;
  };
  explicit CopyWriter(std::unique_ptr<Wire> wire) : wire_(std::move(wire)) {}

  // COPY's own bytes, in the format that was asked for; cut anywhere. They are sent when there are enough for a
  // message. False when the copy has failed: Commit() tells why.
  bool Write(absl::string_view data);
  // Typed rows, of a copy of rows; of less than the limit of a request (4 MiB) together.
  bool WriteRows(const v1::RowBatch& rows);

  // The number of rows, which are committed; or why they are not: FactsOf() tells what became of them.
  absl::StatusOr<int64_t> Commit();
  // What it has cost, and notices; after Commit().
  const v1::CopyInResponse& response() const { return response_; }

 private:
  bool Send();

  std::unique_ptr<Wire> wire_;  // null after Commit()
  v1::CopyInRequest request_;   // bytes that wait for more
  v1::CopyInResponse response_;
};

// How C++ values become columns of rows that are copied.
struct Cells {
  static void Append(bool value, v1::ColumnData* column) { column->add_bools(value); }
  static void Append(int32_t value, v1::ColumnData* column) { column->add_int32s(value); }
  static void Append(int64_t value, v1::ColumnData* column) { column->add_int64s(value); }
  static void Append(double value, v1::ColumnData* column) { column->add_doubles(value); }
  static void Append(const std::string& value, v1::ColumnData* column) { column->add_texts(value); }
  static void Append(const Bytes& value, v1::ColumnData* column) { column->add_blobs(value.bytes); }
  static void Append(const Numeric& value, v1::ColumnData* column) { column->add_texts(value.decimal); }
  static void Append(const Json& value, v1::ColumnData* column) { column->add_texts(value.text); }
  static void Append(const Uuid& value, v1::ColumnData* column) { column->add_texts(value.text); }
  // To the microsecond; infinite ones are 'infinity'.
  static void Append(absl::Time value, v1::ColumnData* column);
  static void Append(absl::CivilDay value, v1::ColumnData* column);
  // NULL has a placeholder beside it.
  template <typename T>
  static void Append(const std::optional<T>& value, v1::ColumnData* column) {
    Append(value.has_value() ? *value : T(), column);
    column->add_nulls(!value.has_value());
  }

  // About what a value takes in a message.
  static size_t SizeOf(const std::string& value) { return value.size() + 4; }
  static size_t SizeOf(const Bytes& value) { return value.bytes.size() + 4; }
  static size_t SizeOf(const Numeric& value) { return value.decimal.size() + 4; }
  static size_t SizeOf(const Json& value) { return value.text.size() + 4; }
  static size_t SizeOf(const Uuid& value) { return value.text.size() + 4; }
  template <typename T>
  static size_t SizeOf(const std::optional<T>& value) {
    return value.has_value() ? SizeOf(*value) + 1 : 2;
  }
  template <typename T>
  static size_t SizeOf(const T&) {
    return 10;
  }

  static v1::ColumnKind KindOf(const bool*) { return v1::COLUMN_KIND_BOOL; }
  static v1::ColumnKind KindOf(const int32_t*) { return v1::COLUMN_KIND_INT32; }
  static v1::ColumnKind KindOf(const int64_t*) { return v1::COLUMN_KIND_INT64; }
  static v1::ColumnKind KindOf(const double*) { return v1::COLUMN_KIND_DOUBLE; }
  // Also of an enum, a time, an interval: whatever PostgreSQL reads from a text.
  static v1::ColumnKind KindOf(const std::string*) { return v1::COLUMN_KIND_TEXT; }
  static v1::ColumnKind KindOf(const Bytes*) { return v1::COLUMN_KIND_BYTES; }
  static v1::ColumnKind KindOf(const Numeric*) { return v1::COLUMN_KIND_NUMERIC; }
  static v1::ColumnKind KindOf(const Json*) { return v1::COLUMN_KIND_JSON; }
  static v1::ColumnKind KindOf(const Uuid*) { return v1::COLUMN_KIND_UUID; }
  static v1::ColumnKind KindOf(const absl::Time*) { return v1::COLUMN_KIND_TIMESTAMPTZ; }
  static v1::ColumnKind KindOf(const absl::CivilDay*) { return v1::COLUMN_KIND_DATE; }
  template <typename T>
  static v1::ColumnKind KindOf(const std::optional<T>*) {
    return KindOf(static_cast<const T*>(nullptr));
  }
};

// The same for rows of C++ values, one type for each column; std::optional where it may be NULL.
template <typename... Columns>
class RowWriter {
 public:
  explicit RowWriter(CopyWriter writer) : writer_(std::move(writer)) {}

  // As CopyWriter::Write.
  bool Write(const Columns&... values) {
    while (rows_.columns_size() < static_cast<int>(sizeof...(Columns))) rows_.add_columns();
    int column = 0;
    (Cells::Append(values, rows_.mutable_columns(column++)), ...);
    rows_.set_row_count(rows_.row_count() + 1);
    (static_cast<void>(bytes_ += Cells::SizeOf(values)), ...);
    constexpr size_t kBytesOfMessage = 256 << 10;
    return bytes_ < kBytesOfMessage || Send();
  }

  absl::StatusOr<int64_t> Commit() {
    if (rows_.row_count() > 0) Send();
    return writer_.Commit();
  }
  const v1::CopyInResponse& response() const { return writer_.response(); }

 private:
  bool Send() {
    const bool sent = writer_.WriteRows(rows_);
    rows_.Clear();
    bytes_ = 0;
    return sent;
  }

  CopyWriter writer_;
  v1::RowBatch rows_;
  size_t bytes_ = 0;
};

// What a COPY TO STDOUT sends, while it comes. Whoever does not read makes PostgreSQL wait; destroyed before its end,
// it cancels the statement. Movable; not thread-safe.
class CopyReader {
 public:
  class Source {
   public:
    virtual ~Source() = default;
    // Waits for the next message; false at the end.
    virtual bool Read(v1::CopyOutResponse* message) = 0;
    // After Read was false: how it ended.
    virtual absl::Status Finish() = 0;
    // From any thread: Read ends.
    virtual void Cancel() = 0;
  };
  explicit CopyReader(std::unique_ptr<Source> source) : source_(std::move(source)) {}

  // The next bytes, cut anywhere; false at the end.
  bool Read(std::string* data);
  // OK until the copy has failed, which makes what was read no whole copy; final when Read() was false.
  const absl::Status& status() const { return status_; }
  // The number of rows, notices and costs: after the end of one that has not failed.
  const v1::CopyOutResponse::Summary& summary() const { return summary_; }

 private:
  std::unique_ptr<Source> source_;  // null at the end
  absl::Status status_;
  v1::CopyOutResponse message_;
  v1::CopyOutResponse::Summary summary_;
  bool has_summary_ = false;
};

}  // namespace sluice::client

#endif  // SLUICE_CLIENT_CPP_COPY_H_
