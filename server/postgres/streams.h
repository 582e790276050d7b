#ifndef SLUICE_SERVER_POSTGRES_STREAMS_H_
#define SLUICE_SERVER_POSTGRES_STREAMS_H_

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/postgres/result.h"

namespace sluice::postgres {

// Takes an answer while PostgreSQL still sends it, on the connection's thread. It may wait for whoever
// reads it: then the socket is not read, and PostgreSQL waits as well.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  // When it wants to hear that nothing more has come since then; infinite if it does not.
  virtual absl::Time rest_at() const = 0;
  // Nothing more has come. False: no more is wanted, and the statement is cancelled.
  virtual bool Rest() = 0;
};

// Of rows.
class RowSink : public AnswerSink {
 public:
  // `row` is a result of one row. False as above.
  virtual bool Take(const Result& row) = 0;
  // Rows of another shape follow, and those so far were another answer (of a rule, DO ALSO SELECT). False as
  // above.
  virtual bool BeginAnother() = 0;
};

// Of COPY ... TO STDOUT.
class CopySink : public AnswerSink {
 public:
  // Bytes as PostgreSQL writes them, in most cases a row. False as above.
  virtual bool Take(absl::string_view data) = 0;
};

// Gives what COPY ... FROM STDIN reads, on the connection's thread.
class CopySource {
 public:
  enum class Given {
    kData,
    kEnd,      // that was all: it is to be committed
    kNothing,  // until the time was up
    kStop      // there will be no end: everything is to be taken back
  };

  virtual ~CopySource() = default;
  // Waits for more, at most until `until`. `data` is good until the next call.
  virtual Given Next(absl::string_view* data, absl::Time until) = 0;
};

// Where a statement's data goes, or comes from, while it runs. At most one is set; each outlives the flight.
struct Streams {
  RowSink* rows = nullptr;
  CopySink* copy_out = nullptr;
  CopySource* copy_in = nullptr;

  // Null if nothing of the answer is streamed.
  AnswerSink* sink() const { return rows != nullptr ? static_cast<AnswerSink*>(rows) : copy_out; }
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_STREAMS_H_
