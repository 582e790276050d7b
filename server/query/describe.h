#ifndef SLUICE_SERVER_QUERY_DESCRIBE_H_
#define SLUICE_SERVER_QUERY_DESCRIBE_H_

#include <string>

#include "absl/status/statusor.h"
#include "server/query/plan.h"
#include "server/query/turn.h"
#include "server/query/type_catalog.h"
#include "sluice/v1/database.pb.h"

namespace sluice::query {

// A statement that is to be described: made into others that do not run it.
class Description {
 public:
  // `request` must outlive it; its missing parameters become NULL in it.
  static absl::StatusOr<Description> Of(v1::DescribeRequest* request, const auth::Caller& caller, const Limits& limits,
                                        sql::StatementBook* book);

  TurnEnd Find(TypeCatalog* types, Turn* turn, v1::DescribeResponse* response) const;
  size_t bytes() const { return plan_.bytes() + look_.size() + explain_.size(); }
  admission::Priority priority() const { return plan_.priority; }

 private:
  postgres::FlightReport Fly(bool looks, Turn* turn) const;
  TurnEnd EndOfFailure(postgres::FlightFailure failure, bool looked, Turn* turn) const;

  Plan plan_;
  int parameter_count_ = 0;
  // Of what is a query: one that has its columns, and no rows.
  std::string look_;
  std::string explain_;
  bool wants_plan_ = false;
  // It returns no rows, as its text shows.
  bool has_no_columns_ = false;
};

}  // namespace sluice::query

#endif  // SLUICE_SERVER_QUERY_DESCRIBE_H_
