#ifndef SLUICE_SERVER_POSTGRES_ROW_SINK_H_
#define SLUICE_SERVER_POSTGRES_ROW_SINK_H_

#include "absl/time/time.h"
#include "server/postgres/result.h"

namespace sluice::postgres {

// Takes a statement's rows while PostgreSQL still sends them, on the connection's thread. It may wait
// for whoever reads them: then the socket is not read, and PostgreSQL waits as well.
class RowSink {
 public:
  virtual ~RowSink() = default;

  // `row` is a result of one row. False: no more are wanted, and the statement is cancelled.
  virtual bool Take(const Result& row) = 0;
  // Rows of another shape follow, and those so far were another answer (of a rule, DO ALSO SELECT). False as
  // above.
  virtual bool BeginAnother() = 0;
  // When it wants to hear that nothing more has come since then; infinite if it does not.
  virtual absl::Time rest_at() const = 0;
  // Nothing more has come. False as above.
  virtual bool Rest() = 0;
};

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_ROW_SINK_H_
